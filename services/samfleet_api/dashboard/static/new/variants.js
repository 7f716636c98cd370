// Choice of variants: licence, weights, and the measured speed on each pool.

import { h } from "/dashboard/static/dom.js";
import { count, rate } from "/dashboard/static/format.js";
import { errorPlace } from "/dashboard/static/new/fields.js";
import { weightsCell } from "/dashboard/static/weights/cell.js";
import { imagesOf } from "/dashboard/static/new/words.js";

/** @typedef {{ element: HTMLElement, read(): string[], fill(names: string[]): void, speeds(rows: Api.ThroughputRow[], pools: string[], kind: string): void }} VariantChoice */

// `changed` is called after a choice.
/** @type {(variants: Api.Variant[], changed: () => void) => VariantChoice} */
export function variantChoice(variants, changed) {
  const search = h("input", {
    type: "search",
    id: "new-variant-search",
    autocomplete: "off",
    placeholder: "part of a name",
  });
  const ready = h("input", { type: "checkbox", id: "new-variant-ready" });
  const said = h("p", { class: "small soft", role: "status" });
  const body = h("tbody", {});
  const rows = variants.map((variant) => rowOf(variant, changed));
  body.append(...rows.map(({ row }) => row));
  function refine() {
    const wanted = search.value.trim().toLowerCase();
    let shown = 0;
    for (const { variant, row, box } of rows) {
      const matches = `${variant.name} ${variant.title} ${variant.family}`.toLowerCase().includes(wanted);
      const usable = !variant.weights.some(({ present }) => present === false) && !variant.licences_to_accept.length;
      row.hidden = !box.checked && (!matches || (ready.checked && !usable));
      shown += row.hidden ? 0 : 1;
    }
    said.replaceChildren(`${count(shown)} of ${count(rows.length)} variants`);
  }
  const head = ["Variant", "Licence of the weights", "Weights", "Measured speed"];
  const table = h(
    "div",
    { class: "scroll variants", tabindex: "0", role: "region", "aria-label": "Table of variants" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          head.map((title) => h("th", { scope: "col" }, title)),
        ),
      ),
      body,
    ),
  );
  const filters = h(
    "div",
    { class: "filters", oninput: refine },
    h("label", {}, "Filter", search),
    h("label", { class: "row" }, ready, "Only those that can run now"),
  );
  refine();
  return {
    element: h("div", {}, filters, said, table, errorPlace("variants")),
    read: () => rows.filter(({ box }) => box.checked).map(({ variant }) => variant.name),
    fill(names) {
      for (const { variant, box } of rows) box.checked = names.includes(variant.name);
      refine();
    },
    speeds(measured, pools, kind) {
      for (const { variant, speed } of rows) speed.replaceChildren(...speedsOf(variant.name, measured, pools, kind));
    },
  };
}

/** @type {(variant: Api.Variant, changed: () => void) => { variant: Api.Variant, row: HTMLElement, box: HTMLInputElement, speed: HTMLElement }} */
function rowOf(variant, changed) {
  const missing = variant.licences_to_accept;
  const id = `new-variant-${variant.name}`;
  const box = h("input", {
    type: "checkbox",
    id,
    value: variant.name,
    disabled: missing.length > 0,
    onchange: changed,
  });
  const name = h(
    "label",
    { class: "row", for: id },
    box,
    h("span", {}, variant.name, h("span", { class: "small soft block" }, variant.title)),
  );
  const licence = missing.length
    ? h(
        "span",
        {},
        variant.weights_licence,
        h(
          "span",
          { class: "small wait block" },
          `not accepted by the operator: SAMFLEET_ACCEPT_LICENSES=${missing.join(",")}`,
        ),
      )
    : variant.weights_licence;
  const speed = h("td", {});
  const row = h(
    "tr",
    {},
    h("th", { scope: "row" }, name),
    h("td", {}, licence),
    h("td", {}, weightsCell(variant, changed)),
    speed,
  );
  return { variant, row, box, speed };
}

// The row of the task's kind with the most images on each pool.
/** @type {(variant: string, measured: Api.ThroughputRow[], pools: string[], kind: string) => (string | Node)[]} */
function speedsOf(variant, measured, pools, kind) {
  const lines = pools.map((pool) => {
    const rows = measured.filter(
      (row) =>
        row.variant === variant && row.pool === pool && row.site === "local" && row.task_in_words.startsWith(kind),
    );
    const best = rows.sort((a, b) => b.n - a.n)[0];
    if (!best?.images_per_second) return h("span", { class: "block soft" }, `${pool}: not measured yet`);
    const about = `${best.task_in_words}, ${imagesOf(best.n)}`;
    return h(
      "span",
      { class: "block" },
      `${pool}: ${rate(best.images_per_second)}`,
      h("span", { class: "small soft block" }, about),
    );
  });
  return lines.length ? lines : ["–"];
}
