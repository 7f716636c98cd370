/** @param {number} value */
export const count = (value) => value.toLocaleString("en");

const SECOND = 1000,
  MINUTE = 60 * SECOND;

/** @param {number} value */
export function milliseconds(value) {
  if (value >= 2 * MINUTE) return `${(value / MINUTE).toFixed(1)} min`;
  if (value >= SECOND) return `${(value / SECOND).toFixed(value < 10 * SECOND ? 2 : 1)} s`;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

/** @param {number} share */
export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)} %`;

/** @param {number} perSecond */
export function rate(perSecond) {
  if (perSecond > 0 && perSecond < 0.1) return `${(1 / perSecond).toFixed(1)} s/image`;
  return `${perSecond.toFixed(perSecond < 10 ? 2 : 1)} images/s`;
}

// Choose the unit of a chart's axis by its largest value.
/** @param {number[]} values in milliseconds */
export function timeUnit(values) {
  const most = Math.max(...values, 0);
  if (most >= 2 * MINUTE) return { name: "min", factor: 1 / MINUTE };
  return most >= SECOND ? { name: "s", factor: 1 / SECOND } : { name: "ms", factor: 1 };
}

// Choose the unit of rates by the largest of them.
/** @param {number[]} perSecond */
export function rateUnit(perSecond) {
  const most = Math.max(...perSecond, 0);
  if (most >= 0.5 || most === 0) return { name: "images/s", factor: 1 };
  return most >= 0.5 / 60 ? { name: "images/min", factor: 60 } : { name: "images/h", factor: 3600 };
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
