// Whether a variant's weights are here.

import { h } from "/dashboard/static/dom.js";
import { bytes } from "/dashboard/static/format.js";

/** @param {Api.Variant} variant */
export function weightsCell({ name, checkpoint, weights_here: here }) {
  const size = checkpoint.size_bytes ? bytes(checkpoint.size_bytes) : "size not published";
  if (here === null) return `only the workers know, ${size}`;
  if (here) return h("span", { class: "good" }, `present, ${size}`);
  return h("span", { class: "wait" }, `missing, ${size}: `, h("code", {}, `samfleet variants pull ${name}`));
}
