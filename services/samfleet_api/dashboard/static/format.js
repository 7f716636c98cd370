/** @param {number} value */
export const count = (value) => value.toLocaleString("en");

/** @param {number} value */
export function milliseconds(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)} %`;

/** @param {number} perSecond */
export function rate(perSecond) {
  if (perSecond > 0 && perSecond < 0.1) return `${(1 / perSecond).toFixed(1)} s/image`;
  return `${perSecond.toFixed(perSecond < 10 ? 2 : 1)} images/s`;
}

// Choose seconds instead of milliseconds for a chart whose largest value is at least 10 s.
/** @param {number[]} values */
export function timeUnit(values) {
  return Math.max(...values, 0) >= 10_000 ? { name: "s", factor: 0.001 } : { name: "ms", factor: 1 };
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** @type {Intl.DateTimeFormatOptions} */
const MOMENT = {
  year: "numeric",
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
};

/** @param {string | null} iso */
export const moment = (iso) => (iso ? new Date(iso).toLocaleString("en", MOMENT) : "");

/** @param {number | null | undefined} value */
export function bytes(value) {
  if (value === null || value === undefined) return "not published";
  if (value < 2 ** 10) return `${value} B`;
  if (value < 2 ** 20) return `${(value / 2 ** 10).toFixed(1)} KiB`;
  return value >= 2 ** 30 ? `${(value / 2 ** 30).toFixed(2)} GiB` : `${(value / 2 ** 20).toFixed(1)} MiB`;
}

/** @param {Api.Job} job */
export const nameOf = (job) => job.name ?? `Job ${job.id.slice(0, 8)}`;
