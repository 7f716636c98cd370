export const count = (value) => value.toLocaleString("en");

export function milliseconds(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ms`;
}

export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)} %`;

export const rate = (perSecond) =>
  perSecond === null ? "rate not known yet" : `${perSecond.toFixed(perSecond < 10 ? 2 : 1)} images/s`;

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const moment = (iso) =>
  iso ? new Date(iso).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }) : "";

export function bytes(value) {
  if (value === null || value === undefined) return "not published";
  if (value < 2 ** 20) return `${(value / 2 ** 10).toFixed(1)} KiB`;
  return value >= 2 ** 30 ? `${(value / 2 ** 30).toFixed(2)} GiB` : `${(value / 2 ** 20).toFixed(1)} MiB`;
}

export const nameOf = (job) => job.name ?? `Job ${job.id.slice(0, 8)}`;
