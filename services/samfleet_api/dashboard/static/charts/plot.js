// Parts of all charts: a figure that redraws when its width changes, markers that differ in shape as well as colour, and
// a tooltip. Each chart comes with a table of the same values, for readers who cannot see it.

import { h, svg } from "/dashboard/static/dom.js";

const COLOURS = 7;
/** @type {Charts.Shape[]} */
export const SHAPES = ["circle", "square", "triangle", "diamond", "plus", "down", "bar"];
export const PHONE = 560; // width in pixels below which labels go above their marks

const letters = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));

/** @param {string} text */
export function textWidth(text, size = 12) {
  letters.font = `${size}px ${getComputedStyle(document.body).fontFamily}`;
  return letters.measureText(text).width;
}

/** @type {(text: string, width: number, size?: number) => string} */
export function fit(text, width, size = 12) {
  if (textWidth(text, size) <= width) return text;
  let short = text;
  while (short.length > 1 && textWidth(`${short}…`, size) > width) short = short.slice(0, -1);
  return `${short.trimEnd()}…`;
}

// draw: width => {height, marks}
/** @type {(label: string, draw: (width: number) => Charts.Drawing, ...below: Dom.Child[]) => HTMLElement} */
export function figure(label, draw, ...below) {
  const tip = h("div", { class: "tip", hidden: true });
  const plot = h("div", { class: "plot" }, tip);
  let drawn = 0;
  const redraw = () => {
    const width = Math.floor(plot.clientWidth);
    if (!width || width === drawn) return;
    drawn = width;
    const { height, marks } = draw(width);
    plot.replaceChildren(
      svg(
        "svg",
        { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
        marks,
      ),
      tip,
    );
  };
  new ResizeObserver(redraw).observe(plot);
  plot.addEventListener("pointermove", (event) => point(plot, tip, event));
  plot.addEventListener("pointerleave", () => {
    tip.hidden = true;
  });
  return h("figure", {}, plot, ...below);
}

/** @type {(plot: HTMLElement, tip: HTMLElement, event: PointerEvent) => void} */
function point(plot, tip, event) {
  const mark = /** @type {Element} */ (event.target).closest("[data-tip]");
  tip.hidden = !mark;
  if (!mark) return;
  tip.textContent = mark.getAttribute("data-tip");
  const box = plot.getBoundingClientRect();
  const x = event.clientX - box.left,
    y = event.clientY - box.top;
  tip.style.left = `${Math.max(0, Math.min(x + 14, box.width - tip.offsetWidth))}px`;
  tip.style.top = `${y > tip.offsetHeight + 16 ? y - tip.offsetHeight - 12 : y + 16}px`;
}

/** @type {(text: string, ...children: Dom.Child[]) => SVGGElement} */
export const tipped = (text, ...children) => svg("g", { class: "mark", "data-tip": text }, ...children);

/** @type {(x: number, y: number, content: string, attributes?: Dom.Attributes) => SVGTextElement} */
export const text = (x, y, content, attributes = {}) => svg("text", { x, y, ...attributes }, content);

// Return a marker as one closed path. All shapes have about the same area.
/** @type {(name: Charts.Shape, x: number, y: number, size?: number, attributes?: Dom.Attributes) => SVGPathElement} */
export function shape(name, x, y, size = 5, attributes = {}) {
  const s = size,
    outlines = {
      circle: `M${x - s} ${y}a${s} ${s} 0 1 0 ${2 * s} 0a${s} ${s} 0 1 0 ${-2 * s} 0Z`,
      square: `M${x - s} ${y - s}h${2 * s}v${2 * s}h${-2 * s}Z`,
      triangle: `M${x} ${y - 1.25 * s}l${1.25 * s} ${2.2 * s}h${-2.5 * s}Z`,
      diamond: `M${x} ${y - 1.35 * s}l${1.35 * s} ${1.35 * s}l${-1.35 * s} ${1.35 * s}l${-1.35 * s} ${-1.35 * s}Z`,
      plus: `M${x - s / 2} ${y - 1.3 * s}h${s}v${0.8 * s}h${0.8 * s}v${s}h${-0.8 * s}v${0.8 * s}h${-s}v${-0.8 * s}h${-0.8 * s}v${-s}h${0.8 * s}Z`,
      down: `M${x} ${y + 1.25 * s}l${1.25 * s} ${-2.2 * s}h${-2.5 * s}Z`,
      bar: `M${x - 1.4 * s} ${y - 0.6 * s}h${2.8 * s}v${1.2 * s}h${-2.8 * s}Z`,
    };
  return svg("path", { d: outlines[name], "data-shape": name, ...attributes });
}

/** @param {number} index */
export const shapeOf = (index) => SHAPES[index % SHAPES.length];
/** @param {number} index */
export const colourOf = (index) => `c${index % COLOURS}`;

// items: [{name, colour, shape?, hollow?, dashed?}]
/** @param {Charts.LegendItem[]} items */
export function legend(items) {
  /** @param {Charts.LegendItem} item */
  const sample = (item) =>
    svg(
      "svg",
      { class: "sample", width: 26, height: 14, viewBox: "0 0 26 14", "aria-hidden": "true" },
      item.line
        ? svg("line", { class: `stroke ${item.colour} ${item.dashed ? "dashed" : ""}`, x1: 0, x2: 26, y1: 7, y2: 7 })
        : null,
      item.shape
        ? shape(item.shape, 13, 7, 4.5, { class: `${item.hollow ? "hollow" : "filled"} ${item.colour}` })
        : null,
      item.marks ?? null,
    );
  return h(
    "ul",
    { class: "legend" },
    items.map((item) => h("li", {}, sample(item), item.name)),
  );
}
