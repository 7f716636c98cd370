// Filters of a report: drop-down lists of checkboxes. They change only the URL.

import { h } from "/dashboard/static/dom.js";
import { filtersOnly, go, value, values } from "/dashboard/static/reports/address.js";

/** @type {(label: string, chosen: string[], choices: Map<string, string>) => (HTMLElement | string)[]} */
function summaryText(label, chosen, choices) {
  if (!chosen.length) return [h("span", { class: "soft" }, `${label}: `), "any"];
  const first = choices.get(chosen[0]) ?? chosen[0];
  return [h("span", { class: "soft" }, `${label}: `), chosen.length === 1 ? first : `${first} + ${chosen.length - 1}`];
}

/** @type {(name: string, label: string, choices: Map<string, string>, changed: Reports.Changed) => HTMLElement} */
function picker(name, label, choices, changed) {
  for (const one of values(name)) if (!choices.has(one)) choices.set(one, one);
  const summary = h("summary", {}, ...summaryText(label, values(name), choices));
  /** @param {[string, string]} choice */
  const box = ([key, text]) =>
    h(
      "label",
      { class: "row" },
      h("input", { type: "checkbox", value: key, checked: values(name).includes(key) }),
      text,
    );
  const boxes = h("div", { class: "choices", role: "group", "aria-label": label }, [...choices].map(box));
  boxes.addEventListener("change", () => {
    /** @type {NodeListOf<HTMLInputElement>} */
    const checked = boxes.querySelectorAll("input:checked");
    const chosen = [...checked].map((input) => input.value);
    go({ [name]: chosen });
    summary.replaceChildren(...summaryText(label, chosen, choices));
    picked.classList.toggle("chosen", chosen.length > 0);
    changed();
  });
  const picked = h(
    "details",
    { class: `picker ${values(name).length ? "chosen" : ""}`, name: "picker" },
    summary,
    boxes,
  );
  picked.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !picked.open) return;
    picked.open = false;
    summary.focus();
  });
  return picked;
}

// Field for an hour, in UTC both in the URL and in the field, independent of the local time zone.
/** @type {(name: string, label: string, changed: Reports.Changed) => HTMLElement} */
function hour(name, label, changed) {
  const field = h("input", {
    type: "datetime-local",
    step: 3600,
    id: `filter-${name}`,
    value: /^\d{4}-\d\d-\d\dT\d\d:\d\d/.exec(value(name))?.[0],
  });
  field.addEventListener("change", () => {
    go({ [name]: field.value && `${field.value}:00Z` });
    changed();
  });
  return h("label", { class: "field" }, `${label} (UTC)`, field);
}

/** @param {string[]} list */
const plain = (list) => new Map(list.map((one) => [one, one]));

/** @type {(known: Reports.Known, changed: Reports.Changed) => HTMLElement} */
export function filters(known, changed) {
  /** @type {[string, string, Map<string, string>][]} */
  const lists = [
    ["variant", "Variant", plain(known.variants)],
    ["hardware", "Hardware", new Map(known.hardware)],
    ["dataset", "Dataset", plain(known.datasets)],
    ["pool", "Pool", plain(known.pools)],
    ["precision", "Precision", plain(known.precisions)],
    ["job", "Job", new Map(known.jobs)],
  ];
  if (known.sites.length > 1 || value("site")) lists.push(["site", "Site", plain(known.sites)]);
  const warm = h("input", { type: "checkbox", checked: value("include_warmup") === "true" });
  warm.addEventListener("change", () => {
    go({ include_warmup: warm.checked && "true" });
    changed();
  });
  const clear = h(
    "button",
    {
      type: "button",
      class: "plain",
      onclick: () => {
        go(Object.fromEntries([...filtersOnly().keys()].map((name) => [name, ""])));
        changed(true);
      },
    },
    "Clear filters",
  );
  const bar = h(
    "div",
    { class: "filter-bar", role: "group", "aria-label": "Filters" },
    lists.filter(([, , choices]) => choices.size).map((list) => picker(...list, changed)),
    h(
      "div",
      { class: "span" },
      hour("since", "Since", changed),
      hour("until", "Until", changed),
      h("label", { class: "row" }, warm, "Include warm-up"),
      clear,
    ),
  );
  return h(
    "details",
    { class: "foldable", open: innerWidth >= FOLDED_BELOW || filtersOnly().size > 0 },
    h("summary", {}, "Filters"),
    bar,
  );
}

const FOLDED_BELOW = 640; // width in pixels; on a phone the filters would fill the screen

// Drop-down list that selects a view of a report. options: [[value, text]]; `also` has parameters that change with it.
/**
 * @param {string} name
 * @param {string} label
 * @param {[string, string][]} options
 * @param {string | undefined} chosen
 * @param {Reports.Changed} changed
 * @param {Record<string, string>} [also]
 */
export function choice(name, label, options, chosen, changed, also = {}) {
  const select = h(
    "select",
    { id: `view-${name}` },
    options.map(([key, text]) => h("option", { value: key, selected: key === chosen }, text)),
  );
  select.addEventListener("change", () => {
    go({ ...also, [name]: select.value });
    changed();
  });
  return h("label", { class: "field" }, label, select);
}

// Close open drop-down lists when the pointer is pressed outside them.
/** @param {Event} event */
export function closePickers(event) {
  /** @type {NodeListOf<HTMLDetailsElement>} */
  const open = document.querySelectorAll("details.picker[open]");
  for (const list of open) if (!list.contains(/** @type {Node | null} */ (event.target))) list.open = false;
}
