// Words for the rows of a comparison.

/** @typedef {Reports.Measured<Api.ComparisonRow, "ratio">} Compared */
/** @typedef {{ a: string, b: string }} Names */

/** @param {number} ratio */
const times = (ratio) => `${ratio.toLocaleString("en", { maximumSignificantDigits: 3 })} times`;
/** @param {Compared} row */
const factor = (row) => Math.max(row.ratio, 1 / row.ratio);
/** @param {number} count */
const pairs = (count) => (count === 1 ? "1 pair" : `${count} pairs`);

/** @param {Compared} row */
export const interval = (row) =>
  row.ratio_low === null || row.ratio_high === null
    ? `${row.ratio.toFixed(2)} (no interval)`
    : `${row.ratio.toFixed(2)} (${row.ratio_low.toFixed(2)} to ${row.ratio_high.toFixed(2)})`;

/** @type {(row: Compared, names: Names) => string} */
export function sentence(row, { a, b }) {
  if (row.ratio_low === null || row.ratio_high === null)
    return "cannot tell; one side has fewer than five batches, too few for an interval.";
  if (row.verdict === "cannot tell")
    return row.ratio_low <= 1 && row.ratio_high >= 1
      ? `cannot tell; the interval ${row.ratio_low.toFixed(2)} to ${row.ratio_high.toFixed(2)} includes 1.`
      : `cannot tell; of so many pairs one may differ by chance (p ${row.p_corrected?.toPrecision(2)}, corrected).`;
  const [faster, slower] = row.verdict === "a is faster" ? [a, b] : [b, a];
  return `${faster} is ${times(factor(row))} as fast as ${slower}.`;
}

// One sentence for each outcome that occurs, the most frequent first.
/** @type {(rows: Compared[], names: Names) => string[]} */
export function summary(rows, { a, b }) {
  const of = (/** @type {string} */ verdict) => rows.filter((row) => row.verdict === verdict);
  const outcomes = [
    { rows: of("a is faster"), text: `${a} is faster than ${b}` },
    { rows: of("b is faster"), text: `${b} is faster than ${a}` },
  ].filter((outcome) => outcome.rows.length);
  const said = outcomes
    .sort((one, other) => other.rows.length - one.rows.length)
    .map((outcome) => {
      const factors = outcome.rows.map(factor).sort((one, other) => one - other);
      const [low, high] = [factors[0], factors[factors.length - 1]];
      const by = factors.length === 1 ? times(low) : `${times(low).replace(" times", "")} to ${times(high)}`;
      return `In ${outcome.rows.length} of ${pairs(rows.length)} ${outcome.text}: ${by} as fast.`;
    });
  const open = of("cannot tell").length;
  return open ? [...said, `In ${open} of ${pairs(rows.length)} the measurements cannot tell which is faster.`] : said;
}
