import { hasEnded } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count, milliseconds } from "/dashboard/static/format.js";
import { chosen, queryOf } from "/dashboard/static/gallery/choice.js";

/** @param {Api.Run} run */
export const notDone = (run) => (hasEnded(run) ? "not segmented" : "not segmented yet");

// Whether the tile that is shown for an image would look the same.
/** @type {(image: Api.ImageOfRun | undefined) => string} */
export const keyOf = (image) => (image ? `${image.image_id} ${image.outcome}` : "");

/** @type {(run: Api.Run, image: Api.ImageOfRun, thumbnails: Gallery.Thumbnails) => HTMLElement} */
function preview(run, image, thumbnails) {
  if (image.outcome === "failed")
    return h("div", { class: "missing bad" }, h("strong", {}, "failed"), h("code", {}, image.error_code));
  if (image.outcome === "pending") return h("div", { class: "missing" }, notDone(run));
  /** @type {HTMLImageElement} */
  const picture = h("img", {
    alt: "",
    decoding: "async",
    onload: () => picture.classList.add("shown"),
    onunavailable: () => picture.replaceWith(h("div", { class: "missing" }, "The picture could not be loaded.")),
  });
  thumbnails.show(picture, `/v1/runs/${run.id}/images/${image.image_id}/preview.jpg`);
  return picture;
}

/** @param {number} share */
const two = (share) => share.toFixed(2);

// Lines of a tile below its picture: the name, two of figures, and one of the IoU if a run has annotations.
/** @param {Api.Run} run */
export const linesOf = (run) => (run.quality ? 4 : 3);

// Figures of an image, a text per line. Results of older versions have no predicted IoU, and reused ones no time.
/** @type {(image: Api.ImageOfRun) => string[]} */
function figures(image) {
  if (image.outcome !== "succeeded") return [];
  const masks = image.mask_count === 1 ? "1 mask" : `${count(image.mask_count ?? 0)} masks`;
  const time = image.image_ms === null ? "reused" : milliseconds(image.image_ms);
  const scores = [
    image.predicted_iou === null ? "" : `predicted IoU ${two(image.predicted_iou)}`,
    image.iou === null ? "" : `IoU ${two(image.iou)}`,
  ];
  return [`${masks} · ${time}`, ...scores.filter(Boolean)];
}

/** @type {(run: Api.Run, image: Api.ImageOfRun, thumbnails: Gallery.Thumbnails) => HTMLElement} */
export function tile(run, image, thumbnails) {
  const inner = [
    preview(run, image, thumbnails),
    h("span", { class: "name", title: image.file_name }, image.file_name),
    ...figures(image).map((text) => h("span", { class: "soft" }, text)),
  ];
  const query = queryOf(chosen(), {}); // the page of the image keeps the filters, for its neighbours
  const href = `/dashboard/runs/${run.id}/images/${image.image_id}${query && `?${query}`}`;
  return image.outcome === "pending"
    ? h("div", { class: "tile", tabindex: -1, "data-outcome": image.outcome }, inner)
    : h("a", { class: "tile", "data-outcome": image.outcome, href }, inner);
}
