// Times in the zone and the language of the browser. The title has the full text with seconds.

import { h } from "/dashboard/static/dom.js";

/** @type {Intl.DateTimeFormatOptions} */
const SHORT = {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
};
/** @type {Intl.DateTimeFormatOptions} */
const FULL = { dateStyle: "full", timeStyle: "long" };

/** @type {(iso: string | null, options?: Intl.DateTimeFormatOptions) => HTMLElement | null} */
export function timeOf(iso, options = SHORT) {
  if (iso === null) return null;
  const at = new Date(iso);
  /** @type {Intl.DateTimeFormatOptions} */
  const year = options === SHORT && at.getFullYear() !== new Date().getFullYear() ? { year: "numeric" } : {};
  const text = at.toLocaleString(undefined, { ...options, ...year });
  return h("time", { datetime: iso, title: at.toLocaleString(undefined, FULL) }, text);
}
