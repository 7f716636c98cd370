// Controls over the views: kinds of masks, drawing, zoom, and the way to the next image.

import { filter } from "/dashboard/static/api.js";
import { go } from "/dashboard/static/compare/address.js";
import { ABOUT, colourOf, helpOf, KINDS } from "/dashboard/static/compare/kinds.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";

export const hiddenKinds = () => new Set(KINDS.filter((kind) => filter("hide").split(",").includes(kind)));

// Checkboxes of the kinds with their numbers, which are the legend too.
/** @type {(picture: Compare.Picture, selection: Compare.Selection, changed: () => void) => HTMLElement} */
export function kindBoxes({ matches, images }, selection, changed) {
  const boxes = KINDS.map((kind) => {
    const { sign } = ABOUT[kind];
    const help = helpOf(kind, images[0].side.annotations);
    const box = h("input", { type: "checkbox", checked: !selection.hidden.has(kind) });
    box.addEventListener("change", () => {
      if (box.checked) selection.hidden.delete(kind);
      else selection.hidden.add(kind);
      go({ hide: [...selection.hidden].join(",") }, { replace: true });
      changed();
    });
    const swatch = h("span", { class: `compare-swatch ${kind}`, "aria-hidden": "true" }, sign);
    swatch.style.background = `rgb(${colourOf(kind).join(" ")})`;
    const number = matches.filter((match) => match.kind === kind).length;
    return h("label", { class: "row", title: help }, box, swatch, `${kind} (${count(number)})`);
  });
  return h("div", { class: "compare-kinds", role: "group", "aria-label": "Masks to show" }, boxes);
}

/** @type {(style: Viewer.Style, changed: () => void, fit: () => void) => HTMLElement} */
export function drawingTools(style, changed, fit) {
  const opacity = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: style.opacity });
  opacity.addEventListener("input", () => {
    style.opacity = Number(opacity.value);
    changed();
  });
  /** @type {[Viewer.Style["drawn"], string][]} */
  const ways = [
    ["both", "filled with contours"],
    ["fill", "filled"],
    ["contours", "contours"],
  ];
  const drawn = h(
    "select",
    {},
    ways.map(([value, text]) => h("option", { value, selected: value === style.drawn }, text)),
  );
  drawn.addEventListener("change", () => {
    style.drawn = /** @type {Viewer.Style["drawn"]} */ (drawn.value);
    changed();
  });
  return h(
    "div",
    { class: "filters" },
    h("label", {}, "Masks", drawn),
    h("label", {}, "Opacity", opacity),
    h("button", { type: "button", onclick: fit }, "Show whole image"),
  );
}

// Buttons to the neighbours in the ranking.
/** @param {(step: number) => void} step */
export const steps = (step) =>
  h(
    "div",
    { class: "pages" },
    h("button", { type: "button", onclick: () => step(-1) }, "Previous image"),
    h("button", { type: "button", onclick: () => step(1) }, "Next image"),
  );

// The choice of the run that lists and summaries compare with A, if there are several.
/** @type {(sides: Compare.Side[], against: number, changed: () => void) => HTMLElement | null} */
export function againstField(sides, against, changed) {
  if (sides.length < 3) return null;
  const options = sides
    .slice(1)
    .map(({ letter, run }, index) =>
      h("option", { value: letter, selected: index + 1 === against }, `${letter}: ${run.variant}`),
    );
  const select = h("select", {}, options);
  select.addEventListener("change", () => {
    go({ against: select.value, image: filter("image") });
    changed();
  });
  return h("label", {}, "Compare A with", select);
}
