import { milliseconds } from "/dashboard/static/format.js";
import { h, notice } from "/dashboard/static/dom.js";
import { forest } from "/dashboard/static/charts/forest.js";
import { go, value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { differences, keysOf, labelOf } from "/dashboard/static/reports/identity.js";
import { ofStage, stageChoice, stages } from "/dashboard/static/reports/latency.js";
import { decimals, ms, number, significant, whole } from "/dashboard/static/reports/units.js";

/** @typedef {Reports.Measured<Api.ComparisonRow, "ratio">} Compared */

// With only one machine, the default is to compare variants.
/** @param {Reports.Known} known */
const by = (known) => {
  const asked = value("by", known.hardware.size < 2 ? "variant" : "hardware");
  return asked === "variant" ? "variant" : "hardware";
};
/** @type {(known: Reports.Known) => [string, string][]} */
const choices = (known) => (by(known) === "variant" ? known.variants.map((name) => [name, name]) : [...known.hardware]);
/** @type {(id: string, known: Reports.Known) => string} */
const nameOf = (id, known) => (by(known) === "variant" ? id : (known.hardware.get(id) ?? id));

// Return the two sides that the URL names, even if they have no measurements: the API then returns the error.
/** @type {(known: Reports.Known) => [string | undefined, string | undefined]} */
function sides(known) {
  const keys = choices(known).map(([key]) => key);
  const a = value("a") || keys[0];
  return [a, value("b") || keys.find((key) => key !== a)];
}

/** @type {(list: [string, string][], key: string | undefined) => [string, string][]} */
const withOwn = (list, key) => (key === undefined || list.some(([one]) => one === key) ? list : [...list, [key, key]]);

/** @type {Reports.Definition<Api.ComparisonRow, "ratio">} */
export const compare = {
  title: "Compare",
  lead: "Two machines or two variants: the ratio of their median times with a 95 % confidence interval. Images of one batch share its time, so they count as one measurement. The verdict is corrected for the number of pairs.",
  controls(known, changed) {
    const [a, b] = sides(known),
      list = choices(known);
    const what = choice(
      "by",
      "Compare",
      [
        ["hardware", "machines"],
        ["variant", "variants"],
      ],
      by(known),
      changed,
      { a: "", b: "" },
    );
    const turn = h(
      "button",
      {
        type: "button",
        id: "turn",
        onclick: () => {
          go({ a: b, b: a });
          changed();
        },
      },
      "Swap",
    );
    return [
      what,
      choice("a", "A", withOwn(list, a), a, changed),
      choice("b", "B", withOwn(list, b), b, changed),
      turn,
      stageChoice(changed),
    ];
  },
  ask(known) {
    const [a, b] = sides(known);
    if (a === undefined || b === undefined) return { instead: tooFew(known) };
    return { own: [["by", by(known)], ["a", a], ["b", b], ...stages().map(ofStage)] };
  },
  measured: (row) => row.ratio !== null,
  empty:
    "The two sides have no measurements in common. A comparison needs the same task on the same dataset and, between machines, the same variant.",
  charts(rows, answer, known) {
    const [a, b] = /** @type {[string, string]} */ (sides(known)).map((id) => nameOf(id, known));
    const names = namesOf(rows, answer, known);
    const list = rows.map((row) => ({
      name: names(row),
      value: interval(row),
      ratio: row.ratio,
      low: row.ratio_low,
      high: row.ratio_high,
      certain: row.verdict !== "cannot tell",
      tip: `${names(row)}\nA ${milliseconds(row.p50_a_ms)} (${whole(row.n_a)} images), B ${milliseconds(row.p50_b_ms)} (${whole(row.n_b)} images)\n${sentence(row, a, b)}`,
    }));
    const legend = h("p", { class: "soft" }, "A: ", h("strong", {}, a), " · B: ", h("strong", {}, b));
    return [
      [
        legend,
        forest(
          `Ratio of the medians of ${a} and ${b}`,
          [{ name: "", rows: list }],
          "← A is faster · ratio of medians (A / B) · B is faster →",
        ),
      ],
      [
        "In words",
        h(
          "ul",
          { class: "verdicts" },
          rows.map((row) => h("li", {}, h("strong", {}, names(row)), `: ${sentence(row, a, b)}`)),
        ),
      ],
    ];
  },
  caption: "Comparison of medians",
  columns: () => [
    number("Images of A", "n_a", whole),
    number("Images of B", "n_b", whole),
    number("p50 of A", "p50_a_ms", ms),
    number("p50 of B", "p50_b_ms", ms),
    number("Ratio", "ratio", decimals(3)),
    number("Low", "ratio_low", decimals(3)),
    number("High", "ratio_high", decimals(3)),
    number("p, corrected", "p_corrected", significant),
    { title: "Verdict", value: (row) => row.verdict },
  ],
};

/** @param {Reports.Known} known */
function tooFew(known) {
  const only = choices(known)
    .map(([, name]) => name)
    .join("");
  const things = by(known) === "variant" ? "variants" : "machines";
  return notice(
    `A comparison needs two ${things}`,
    only
      ? `So far only ${only} has been measured. A job with several ${by(known) === "variant" ? "variants" : "pools"} measures more.`
      : `No ${things} have been measured.`,
  );
}

/**
 * @param {Api.ComparisonRow[]} rows
 * @param {Api.Report} answer
 * @param {Reports.Known} known
 * @returns {(row: Api.ComparisonRow) => string}
 */
function namesOf(rows, answer, known) {
  const dimensions = keysOf(rows).filter((name) => name !== by(known) && (name !== "stage" || stages().length > 1));
  const differs = differences(rows, answer.parameters, keysOf(rows));
  /** @param {Api.ComparisonRow} row */
  const first = (row) =>
    [...dimensions.map((name) => labelOf(row, name, known)), differs(row)].filter(Boolean).join(" · ");
  /** @param {Api.ComparisonRow} row */
  const twice = (row) => rows.filter((one) => first(one) === first(row)).length > 1;
  return (row) =>
    [first(row), twice(row) && `B with ${row.parameters_b}`].filter(Boolean).join(" · ") || "All common measurements";
}

/** @param {Compared} row */
const interval = (row) =>
  row.ratio_low === null || row.ratio_high === null
    ? `${row.ratio.toFixed(2)} (no interval)`
    : `${row.ratio.toFixed(2)} (${row.ratio_low.toFixed(2)} to ${row.ratio_high.toFixed(2)})`;

/** @type {(row: Compared, a: string, b: string) => string} */
function sentence(row, a, b) {
  if (row.ratio_low === null || row.ratio_high === null)
    return "cannot tell; one side has fewer than five batches, too few for an interval.";
  if (row.verdict === "cannot tell")
    return row.ratio_low <= 1 && row.ratio_high >= 1
      ? `cannot tell; the interval ${row.ratio_low.toFixed(2)} to ${row.ratio_high.toFixed(2)} includes 1.`
      : `cannot tell; of so many pairs one may differ by chance (p ${row.p_corrected?.toPrecision(2)}, corrected).`;
  const [faster, slower, times] = row.verdict === "a is faster" ? [a, b, 1 / row.ratio] : [b, a, row.ratio];
  return `${faster} is ${times.toFixed(2)} times as fast as ${slower}.`;
}
