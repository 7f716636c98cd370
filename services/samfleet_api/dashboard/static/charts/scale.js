// Scales map values to pixels and choose round numbers as ticks. A scale is a function with a method `ticks(wanted)`.

const STEPS = [1, 2, 5, 10];
const LOG_STEPS = [[1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 8], [1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1]];

/** @type {(least: number, most: number, from: number, to: number) => Charts.Scale} */
export function linear(least, most, from, to) {
  const span = most > least ? most - least : 1;
  /** @param {number} value */
  const scale = (value) => from + ((value - least) / span) * (to - from);
  /** @param {number} wanted */
  scale.ticks = (wanted) => {
    const step = roundStep(span / wanted),
      first = Math.ceil(least / step - 1e-9);
    const last = Math.floor((least + span) / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, index) => (first + index) * step);
  };
  return scale;
}

/** @type {(least: number, most: number, from: number, to: number) => Charts.Scale} */
export function logarithmic(least, most, from, to) {
  const low = Math.log10(least),
    span = Math.log10(most) - low || 1;
  /** @param {number} value */
  const scale = (value) => from + ((Math.log10(value) - low) / span) * (to - from);
  /** @param {number} wanted */
  scale.ticks = (wanted) => {
    const sets = LOG_STEPS.map((factors) => logTicks(least, most, factors));
    return sets.find((ticks) => ticks.length <= wanted + 2) ?? /** @type {number[]} */ (sets.at(-1));
  };
  return scale;
}

/** @type {(least: number, most: number, factors: number[]) => number[]} */
function logTicks(least, most, factors) {
  const found = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power += 1)
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`);
      if (value >= least * (1 - 1e-9) && value <= most * (1 + 1e-9)) found.push(value);
    }
  return found;
}

/** @param {number} rough */
function roundStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  const steps = STEPS.map((factor) => factor * power);
  return /** @type {number} */ (steps.find((size) => size >= rough * (1 - 1e-9)));
}

// Round up to the next tick, so that an axis ends with a tick.
/** @param {number} most */
export function roundUp(most, wanted = 4) {
  if (!(most > 0)) return 1;
  const step = roundStep(most / wanted);
  return Math.ceil(most / step - 1e-9) * step;
}

// Return the bounds of a scale that shows all values with a margin, clamped to [least, most].
/** @type {(values: number[], share?: number, least?: number, most?: number) => [number, number]} */
export function padded(values, share = 0.12, least = -Infinity, most = Infinity) {
  const low = Math.min(...values),
    high = Math.max(...values);
  const air = (high - low || Math.abs(high) || 1) * share;
  return [Math.max(least, low - air), Math.min(most, high + air)];
}

/** @type {(values: number[], air?: number) => [number, number]} */
export function paddedLog(values, air = 1.25) {
  return [Math.min(...values) / air, Math.max(...values) * air];
}

/** @param {number[]} values */
export const spread = (values) => Math.max(...values) / Math.min(...values);

// Format a tick with as many decimals as are needed to distinguish the ticks.
/** @type {(value: number, ticks: number[]) => string} */
export function tickText(value, ticks) {
  const greatest = Math.max(...ticks.map(Math.abs)); // one notation for the whole axis
  if (greatest >= 100_000) return Intl.NumberFormat("en", { notation: "compact" }).format(value);
  const steps = ticks
    .slice(1)
    .map((tick, index) => Math.abs(tick - ticks[index]))
    .filter(Boolean);
  const step = Math.min(...steps, Math.abs(value) || 1);
  const decimals = Math.min(6, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
  return value.toLocaleString("en", { minimumFractionDigits: value ? decimals : 0, maximumFractionDigits: decimals });
}
