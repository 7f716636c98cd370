// The choices of the page in its address: zoom, pins, hidden masks, style, filters and order.

import { addressWith, filter } from "/dashboard/static/api.js";
import { FILTERS } from "/dashboard/static/gallery/choice.js";
import { sortKey } from "/dashboard/static/viewer/masks.js";

const WRITE_MS = 250; // between two changes of the address, which browsers limit
const OPACITY = 0.45;
export const GALLERY = [...FILTERS, "sort"]; // parameters of the gallery, which the page keeps

/** @type {<T extends string>(name: string, known: readonly T[], otherwise: T) => T} */
const oneOf = (name, known, otherwise) => known.find((one) => one === filter(name)) ?? otherwise;

/** @param {string} name */
const indexesOf = (name) =>
  filter(name)
    .split(",")
    .filter((text) => /^\d{1,9}$/.test(text))
    .map(Number);

/** @param {string} name */
function numberOf(name) {
  const value = Number.parseFloat(filter(name));
  return Number.isFinite(value) ? value : null;
}

/** @returns {Viewer.Choices} */
export function readChoices() {
  const place = filter("at").split(",").map(Number);
  const [x, y, scale] = place;
  const key = sortKey(filter("mask_sort").replace(/^-/, ""));
  const opacity = numberOf("opacity");
  return {
    frame: place.length === 3 && place.every(Number.isFinite) && scale > 0 ? { x, y, scale } : null,
    pins: indexesOf("pins"),
    hidden: new Set(indexesOf("hidden")),
    style: {
      drawn: oneOf("draw", /** @type {const} */ (["both", "fill", "contours"]), "both"),
      opacity: opacity === null ? OPACITY : Math.min(Math.max(opacity, 0), 1),
    },
    truth: oneOf("truth", /** @type {const} */ (["off", "over", "instead"]), "off"),
    filters: {
      score: numberOf("min_score"),
      least: numberOf("min_area"),
      most: numberOf("max_area"),
      category: filter("category"),
      fit: oneOf("fit", /** @type {const} */ (["", "right", "wrong"]), ""),
    },
    sort: key ? { key, descending: filter("mask_sort").startsWith("-") } : { key: "area", descending: true },
  };
}

/** @type {(choices: Viewer.Choices) => Record<string, string>} */
function parametersOf({ frame, pins, hidden, style, truth, filters, sort }) {
  const order = `${sort.descending ? "-" : ""}${sort.key}`;
  /** @param {number | null} value */
  const text = (value) => (value === null ? "" : String(value));
  return {
    at: frame ? [frame.x.toFixed(1), frame.y.toFixed(1), Number(frame.scale.toPrecision(4))].join(",") : "",
    pins: pins.join(","),
    hidden: [...hidden].sort((a, b) => a - b).join(","),
    draw: style.drawn === "both" ? "" : style.drawn,
    opacity: style.opacity === OPACITY ? "" : String(style.opacity),
    truth: truth === "off" ? "" : truth,
    min_score: text(filters.score),
    min_area: text(filters.least),
    max_area: text(filters.most),
    category: filters.category,
    fit: filters.fit,
    mask_sort: order === "-area" ? "" : order,
  };
}

let timer = 0;
let written = 0;

/** @param {Viewer.Choices} choices */
export function writeChoices(choices) {
  clearTimeout(timer);
  timer = window.setTimeout(() => write(choices), Math.max(0, written + WRITE_MS - performance.now()));
}

/** @param {Viewer.Choices} choices */
function write(choices) {
  written = performance.now();
  history.replaceState(null, "", addressWith(parametersOf(choices)));
}

// Return the address of another image or run with the choices that make sense there.
/** @type {(runId: string, imageId: number | string, choices: Viewer.Choices, keepZoom: boolean) => string} */
export function addressOf(runId, imageId, choices, keepZoom) {
  const kept = { ...choices, frame: keepZoom ? choices.frame : null, pins: [], hidden: new Set() };
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(parametersOf(kept))) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  return `/dashboard/runs/${runId}/images/${imageId}${query.size ? `?${query}` : ""}`;
}
