// Labels of jobs as chips. A chip is a link to the list of jobs with this label.

import { h } from "/dashboard/static/dom.js";

const LIST = "/dashboard/jobs";

/** @type {(labels: Record<string, string>, link: (label: string) => string) => HTMLElement | null} */
export function chips(labels, link) {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  if (!sorted.length) return null;
  /** @param {[string, string]} label */
  const chip = ([key, value]) =>
    h("li", {}, h("a", { class: "chip", href: link(`${key}:${value}`) }, value ? `${key}: ${value}` : key));
  return h("ul", { class: "chips", "aria-label": "Labels" }, sorted.map(chip));
}

/** @param {string} label */
export const listOf = (label) => `${LIST}?${new URLSearchParams({ label })}`;
