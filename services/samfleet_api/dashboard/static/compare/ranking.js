// The strip of images, ranked by the comparison, or in the order of the dataset while there is none.

import { filter, get } from "/dashboard/static/api.js";
import { addressWithAll, go } from "/dashboard/static/compare/address.js";
import { h, notice } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";

const IMAGES = 24;
const SIDE = 320; // pixels of pictures that the server keeps

/** @typedef {[key: string, text: string, note: (image: Api.ComparedImage) => string]} Sort */

/** @type {(other: Compare.Side) => [key: string, text: string][]} */
const sortsByAnnotations = ({ letter }) => [
  ["iou", `Worst IoU of ${letter}`],
  ["-iou", `Best IoU of ${letter}`],
  ["position", "Order of the dataset"],
];

/** @type {(other: string) => Sort[]} */
const sorts = (other) => [
  ["disagreement", "Disagreement", (image) => `disagreement ${image.disagreement.toFixed(2)}`],
  ["iou_change", `Loss of IoU from A to ${other}`, (image) => `IoU ${signed(image.iou_change)}`],
  ["worst_iou_a", "Worst IoU of A", (image) => `IoU of A ${image.iou_a?.toFixed(2)}`],
  ["worst_iou_b", `Worst IoU of ${other}`, (image) => `IoU of ${other} ${image.iou_b?.toFixed(2)}`],
  ["position", "Order of the dataset", (image) => `disagreement ${image.disagreement.toFixed(2)}`],
];

/** @param {number | null} change */
const signed = (change) => `${(change ?? 0) < 0 ? "−" : "+"}${Math.abs(change ?? 0).toFixed(2)}`;
/** @param {string} other */
const chosen = (other) => sorts(other).find(([key]) => key === filter("sort")) ?? sorts(other)[0];

/** @typedef {{ image_id: number, file_name: string, note: string }} Listed */

export class Ranking {
  /**
   * @param {Compare.Side} a
   * @param {Compare.Side} b
   * @param {(image: number) => void} open
   */
  constructor(a, b, open) {
    this.sides = [a, b];
    this.pictured = a.annotations ? [b] : [a, b];
    this.open = open;
    /** @type {Api.Comparison | null} */
    this.comparison = null;
    /** @type {Listed[]} */
    this.images = [];
    /** @type {string | null} */
    this.next = null;
    this.list = h("ul", { class: "compare-strip", "aria-label": "Images" });
    this.more = h("button", { type: "button", onclick: () => this.extend() }, "More images");
    this.state = h("p", { class: "soft", role: "status" });
    this.element = h("div", {}, this.list, this.state);
  }

  // List the images from the first one on. Shows the first image if the URL names none.
  /** @param {Api.Comparison | null} comparison */
  async start(comparison) {
    this.comparison = comparison;
    this.images = [];
    this.next = null;
    this.list.replaceChildren();
    await this.extend();
    if (!this.images.length) this.list.replaceChildren(h("li", { class: "wide" }, this.nothing()));
    else if (!filter("image")) {
      go({ image: String(this.images[0].image_id) }, { replace: true });
      this.open(this.images[0].image_id);
    }
    this.mark();
  }

  async extend() {
    this.more.disabled = true;
    this.element.ariaBusy = "true";
    const { items, next } = await this.page().finally(() => {
      this.more.disabled = false;
      this.element.ariaBusy = null;
    });
    this.images.push(...items);
    this.next = next;
    this.more.remove();
    this.list.append(...items.map((image) => this.tile(image)));
    if (next) this.list.append(h("li", { class: "more" }, this.more));
    this.state.textContent = this.images.length ? `${count(this.images.length)} images listed.` : "";
    this.mark();
  }

  /** @returns {Promise<{ items: Listed[], next: string | null }>} */
  async page() {
    const cursor = this.next ? `&cursor=${encodeURIComponent(this.next)}` : "";
    if (this.sides[0].annotations) return this.pageByIou(cursor);
    if (this.comparison) {
      const [key, , note] = chosen(this.sides[1].letter);
      const path = `/v1/comparisons/${this.comparison.id}/images?sort=${key}&limit=${IMAGES}${cursor}`;
      /** @type {Api.ComparedImagePage} */
      const { items, next } = await get(path);
      return { items: items.map((image) => ({ ...image, note: figures(image, note(image)) })), next };
    }
    /** @type {Api.ImageOfRunPage} */
    const { items, next } = await get(
      `/v1/runs/${this.sides[0].run.id}/images?outcome=succeeded&limit=${IMAGES}${cursor}`,
    );
    return { items: items.map((image) => ({ ...image, note: `${count(image.mask_count ?? 0)} masks in A` })), next };
  }

  /** @type {(cursor: string) => Promise<{ items: Listed[], next: string | null }>} */
  async pageByIou(cursor) {
    const { run } = this.sides[1];
    const key = chosenByAnnotations(this.sides[1]);
    /** @type {Api.ImageOfRunPage} */
    const { items, next } = await get(
      `/v1/runs/${run.id}/images?outcome=succeeded&sort=${key}&limit=${IMAGES}${cursor}`,
    );
    return { items: items.map((image) => ({ ...image, note: noteByIou(image) })), next };
  }

  /** @param {Listed} image */
  tile(image) {
    const id = String(image.image_id);
    const pictures = this.pictured.map((side) => thumbnail(side, image));
    const link = h(
      "a",
      { href: addressWithAll({ image: id }), "data-image": id },
      h("span", { class: pictures.length > 1 ? "pair" : "single" }, pictures),
      h("span", {}, image.file_name),
      h("span", { class: "soft" }, image.note),
    );
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      go({ image: id });
      this.open(image.image_id);
    });
    return h("li", {}, link);
  }

  // Mark the tile of the shown image, and scroll the strip to it.
  mark() {
    for (const link of this.list.querySelectorAll("a")) {
      const now = link.dataset.image === filter("image");
      if (now) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
      if (now) link.closest("li")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  // Return the neighbour of the shown image, `step` places away; loads more images at the end.
  /** @param {number} step */
  async neighbour(step) {
    const at = this.images.findIndex((image) => String(image.image_id) === filter("image")) + step;
    if (at >= this.images.length && this.next) await this.extend();
    return this.images[at]?.image_id ?? null;
  }

  nothing() {
    if (this.sides[0].annotations)
      return notice("No image has an IoU", "No segmented image of the run has annotated objects.");
    if (!this.comparison) return notice("No images", "Run A has no segmented image.");
    const byIou = !["disagreement", "position"].includes(chosen(this.sides[1].letter)[0]);
    return byIou
      ? notice("No image has this figure", "The IoU needs annotations of the dataset. Sort by disagreement instead.")
      : notice("No images", "No image was segmented in both runs.");
  }
}

/** @type {(side: Compare.Side, image: Listed) => HTMLElement} */
function thumbnail({ run, letter }, { image_id: id, file_name: name }) {
  const src = `/v1/runs/${run.id}/images/${id}/overlay.png?max_side=${SIDE}`;
  const picture = h("img", { src, alt: `${name} in run ${letter}`, loading: "lazy" });
  picture.addEventListener("error", () => picture.replaceWith(h("span", { class: "no-picture" }, "no picture")));
  return picture;
}

/** @type {(image: Api.ComparedImage, first: string) => string} */
function figures(image, first) {
  const kinds = /** @type {("lost" | "gained" | "changed")[]} */ (["lost", "gained", "changed"]);
  const some = kinds.filter((kind) => image[kind] > 0).map((kind) => `${count(image[kind])} ${kind}`);
  return `${first} · ${some.join(", ") || "no difference"}`;
}

/** @param {Api.ImageOfRun} image */
const noteByIou = ({ iou, mask_count: masks }) =>
  `${iou === null ? "no annotated object" : `IoU ${iou.toFixed(2)}`} · ${count(masks ?? 0)} masks`;

/** @param {Compare.Side} other */
const chosenByAnnotations = (other) =>
  sortsByAnnotations(other).find(([key]) => key === filter("sort"))?.[0] ?? sortsByAnnotations(other)[0][0];

/** @type {(a: Compare.Side, other: Compare.Side, changed: () => void) => HTMLElement} */
export function sorter(a, other, changed) {
  const known = a.annotations ? sortsByAnnotations(other) : sorts(other.letter);
  const now = a.annotations ? chosenByAnnotations(other) : chosen(other.letter)[0];
  const options = known.map(([key, text]) => h("option", { value: key, selected: key === now }, text));
  const select = h("select", {}, options);
  select.addEventListener("change", () => {
    go({ sort: select.value === known[0][0] ? null : select.value, image: null });
    changed();
  });
  return h("label", {}, "Rank by", select);
}
