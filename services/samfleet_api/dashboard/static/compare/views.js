// Up to four views of one image with linked zoom. A mask has the colour of its kind, and a contour: dashed for masks
// that only one run has.

import { ABOUT, colourOf } from "/dashboard/static/compare/kinds.js";
import { boxOf } from "/dashboard/static/compare/matching.js";
import { titleOf } from "/dashboard/static/compare/runs.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { createView } from "/dashboard/static/viewer/view.js";

const SIDE = 1600; // pixels of the picture under the masks
const MOST_OUTLINES = 500; // of a view; each is drawn again in every frame, and more would not pan smoothly
const MARGIN = 2.5; // a mask that is zoomed to fills this part of the view

export class LinkedViews {
  /**
   * @param {Compare.Picture} picture
   * @param {Compare.Selection} selection
   * @param {Compare.Handlers} on
   */
  constructor(picture, selection, on) {
    this.picture = picture;
    this.selection = selection;
    /** @type {Map<number, number>[]} place of a mask → place of its match, by side */
    this.matchOf = picture.images.map((_, side) => matchesByPlace(picture, side));
    this.views = picture.images.map(({ side }) => createView({ label: `${picture.name} in ${titleOf(side)}` }));
    this.views.forEach((view, index) => {
      this.link(view, index, on);
    });
    this.element = h(
      "div",
      { class: `compare-views of-${this.views.length}` },
      this.views.map((view, index) => this.figure(view, index)),
    );
    this.loadPicture();
    this.update();
  }

  /** @type {(view: Viewer.View, side: number, on: Compare.Handlers) => void} */
  link(view, side, on) {
    view.setPicture(null, this.picture.width, this.picture.height);
    view.onFrame((frame) => {
      for (const other of this.views) {
        if (other === view) continue;
        if (view.fitted()) other.fit({ quiet: true });
        else other.setFrame(frame, { quiet: true });
      }
    });
    /** @param {number | null} place */
    const match = (place) => (place === null ? null : (this.matchOf[side].get(place) ?? null));
    view.onHover((place) => on.hover(match(place)));
    view.onClick((place) => on.pin(match(place)));
  }

  /** @type {(view: Viewer.View, index: number) => HTMLElement} */
  figure(view, index) {
    const { side, image, problem } = this.picture.images[index];
    const what = side.annotations ? "annotations" : "masks";
    const masks = image ? `${count(image.masks.length)} ${what}` : `no ${what}`;
    const frame = h("div", { class: "compare-view" }, view.element);
    frame.style.aspectRatio = `${this.picture.width} / ${this.picture.height}`;
    return h(
      "figure",
      {},
      h("figcaption", {}, h("strong", {}, titleOf(side)), h("span", { class: "soft" }, ` ${masks}`)),
      frame,
      image?.note && h("p", { class: "soft small" }, image.note),
      problem && h("p", { class: "bad" }, problem),
    );
  }

  loadPicture() {
    const shown = this.picture.images.find(({ image }) => image?.outcome === "succeeded")?.image;
    if (!shown) return;
    const source = new Image();
    source.addEventListener("load", () => {
      for (const view of this.views) view.setPicture(source, this.picture.width, this.picture.height);
    });
    source.addEventListener("error", () => {
      this.element.append(
        h("p", { class: "soft wide" }, "The picture could not be loaded, so only its masks are shown."),
      );
    });
    source.src = `/v1/runs/${shown.run_id}/images/${shown.image_id}/overlay.png?max_side=${SIDE}&with_masks=false`;
  }

  // Draw the masks after a change of the hidden kinds.
  update() {
    this.views.forEach((view, index) => {
      const { image, kinds } = this.picture.images[index];
      const masks = image?.masks ?? [];
      /** @type {(place: number) => boolean} */
      const shown = (place) => !kinds[place] || !this.selection.hidden.has(/** @type {Compare.Kind} */ (kinds[place]));
      view.setMasks(
        masks.map(({ segmentation }, place) => ({ segmentation, colour: colourOf(kinds[place]), shown: shown(place) })),
      );
      const different = masks.flatMap(({ segmentation }, place) => {
        const kind = kinds[place];
        return !kind || kind === "same" || !shown(place)
          ? []
          : [{ segmentation, colour: ABOUT[kind].colour, dashed: ABOUT[kind].dashed }];
      });
      view.setOutlines(different.length > MOST_OUTLINES ? [] : different);
    });
  }

  // Draw the hovered and the pinned object in every view that has it.
  highlight() {
    const { hovered, pinned } = this.selection;
    const at = [hovered, pinned].flatMap((one) => (one === null ? [] : [this.picture.matches[one]]));
    this.views.forEach((view, side) => {
      view.highlight(at.flatMap((match) => match.places[side] ?? []));
    });
  }

  /** @param {Compare.Match} match */
  zoomTo(match) {
    const [left, top, right, bottom] = boxOf(this.picture, match);
    const [view] = this.views;
    const { clientWidth, clientHeight } = view.element;
    const scale = Math.min(clientWidth / (right - left + 1), clientHeight / (bottom - top + 1)) / MARGIN;
    view.setFrame({ scale, x: (left + right) / 2, y: (top + bottom) / 2 });
  }

  fit() {
    this.views[0].fit();
  }

  /** @param {Viewer.Style} style */
  setStyle(style) {
    for (const view of this.views) view.setStyle(style);
  }

  close() {
    for (const view of this.views) view.close();
  }
}

/** @type {(picture: Compare.Picture, side: number) => Map<number, number>} */
function matchesByPlace({ matches }, side) {
  /** @type {Map<number, number>} */
  const found = new Map();
  matches.forEach(({ places }, match) => {
    const place = places[side];
    if (place !== null) found.set(place, match);
  });
  return found;
}
