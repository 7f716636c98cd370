// A zoomable picture with masks over it. The masks' label map comes from a worker; a frame looks up the pixels of the
// screen in it, so panning costs the same with one mask and with thousands.

import { h } from "/dashboard/static/dom.js";
import { alike, bounded, fitting, imagePoint, zoomed } from "/dashboard/static/viewer/frame.js";
import { addGestures, pressKey } from "/dashboard/static/viewer/gestures.js";
import { LabelMap } from "/dashboard/static/viewer/label_map.js";
import { Layers } from "/dashboard/static/viewer/layers.js";
import { spansOf } from "/dashboard/static/viewer/spans.js";

/** @type {(options: { label: string }) => Viewer.View} */
export const createView = ({ label }) => new ImageView(label);

const STILL_MS = 120; // without a change of the frame, after which masks are drawn in full resolution

/** @implements {Viewer.View} */
class ImageView {
  /** @param {string} label */
  constructor(label) {
    this.layers = new Layers(label);
    this.problem = h("p", { class: "view-problem", role: "alert", hidden: true });
    this.element = h(
      "div",
      { class: "view", role: "group", tabindex: "0", "aria-label": `${label}: zoom with + and -, 0 shows all of it` },
      this.layers.picture,
      this.layers.masks,
      this.problem,
    );
    this.map = new LabelMap((error) => this.mapChanged(error));
    /** @type {CanvasImageSource | null} */
    this.source = null;
    this.image = { width: 1, height: 1 };
    this.pictured = false; // the image's size is known
    this.size = { width: 0, height: 0 };
    /** @type {Viewer.Frame | null} null while the whole image is shown */
    this.chosen = null;
    /** @type {Viewer.ViewMask[]} */
    this.masks = [];
    /** @type {Viewer.Style} */
    this.style = { drawn: "both", opacity: 0.45 };
    /** @type {[number, Viewer.Spans][]} */
    this.highlighted = [];
    /** @type {(Viewer.Outline & { spans: Viewer.Spans })[]} */
    this.outlines = [];
    /** @type {WeakMap<Api.RunLengths, Viewer.Spans>} */
    this.spans = new WeakMap();
    this.listeners = {
      frame: /** @type {((frame: Viewer.Frame) => void)[]} */ ([]),
      hover: /** @type {((index: number | null) => void)[]} */ ([]),
      click: /** @type {((index: number | null, event: PointerEvent) => void)[]} */ ([]),
    };
    /** @type {number | null} */
    this.hovered = null;
    this.stale = { picture: false, masks: false, requested: false };
    this.moved = -STILL_MS; // time of the last change of the frame
    this.moving = false;
    this.still = 0;
    this.observer = new ResizeObserver(() => this.resized());
    this.observer.observe(this.element);
    this.target = this.targetOfGestures();
    addGestures(this.element, this.target);
    this.element.addEventListener("keydown", (event) => this.pressKey(event));
  }

  /** @returns {Viewer.Target} */
  targetOfGestures() {
    return {
      size: () => this.size,
      image: () => this.image,
      frame: () => this.frame(),
      move: (frame) => this.setFrame(frame),
      zoom: (point, factor) => this.setFrame(zoomed(this.frame(), this.size, this.image, point, factor)),
      fit: () => this.fit(),
      hover: (point) => this.hover(point ? this.maskAt(point) : null),
      click: (point, event) => {
        for (const listener of this.listeners.click) listener(this.maskAt(point), event);
      },
    };
  }

  /** @type {Viewer.View["setPicture"]} */
  setPicture(source, width, height) {
    this.source = source;
    this.image = { width, height };
    this.pictured = true;
    if (this.chosen) this.setFrame(this.chosen, { quiet: true });
    this.draw(true, true);
  }

  /** @type {Viewer.View["setMasks"]} */
  setMasks(masks) {
    this.masks = masks;
    if (this.highlighted.some(([index]) => index >= masks.length)) this.highlighted = [];
    this.map.update(
      masks.map((mask) => mask.segmentation),
      Uint8Array.from(masks, (mask) => Number(mask.shown)),
    );
    this.element.ariaBusy = this.map.busy ? "true" : null;
    this.draw(false, true);
  }

  /** @type {Viewer.View["setOutlines"]} */
  setOutlines(outlines) {
    this.outlines = outlines.map((outline) => ({ ...outline, spans: this.spansOf(outline.segmentation) }));
    this.draw(false, true);
  }

  /** @type {Viewer.View["setStyle"]} */
  setStyle(style) {
    this.style = { ...style };
    this.draw(false, true);
  }

  /** @type {Viewer.View["highlight"]} */
  highlight(indexes) {
    const known = [...new Set(indexes)].filter((index) => index in this.masks);
    this.highlighted = known.map((index) => [index, this.spansOf(this.masks[index].segmentation)]);
    this.draw(false, true);
  }

  /** @param {Api.RunLengths} segmentation */
  spansOf(segmentation) {
    const spans = this.spans.get(segmentation) ?? spansOf(segmentation);
    this.spans.set(segmentation, spans);
    return spans;
  }

  frame() {
    return { ...(this.chosen ?? fitting(this.size, this.image)) };
  }

  fitted() {
    return this.chosen === null;
  }

  /** @type {Viewer.View["setFrame"]} */
  setFrame(frame, { quiet = false } = {}) {
    const sized = this.pictured && this.size.width > 0;
    const next = sized ? bounded(frame, this.size, this.image) : { ...frame };
    this.chosen = sized && alike(next, fitting(this.size, this.image), this.size) ? null : next;
    this.frameChanged(quiet);
  }

  /** @type {Viewer.View["fit"]} */
  fit({ quiet = false } = {}) {
    this.chosen = null;
    this.frameChanged(quiet);
  }

  /** @param {boolean} quiet */
  frameChanged(quiet) {
    this.element.classList.toggle("zoomed", this.chosen !== null);
    this.moving = this.layers.coarsens && performance.now() - this.moved < STILL_MS;
    this.moved = performance.now();
    if (this.moving) {
      clearTimeout(this.still);
      this.still = window.setTimeout(() => this.stop(), STILL_MS);
    }
    this.draw(true, true);
    if (!quiet) for (const listener of this.listeners.frame) listener(this.frame());
  }

  stop() {
    this.moving = false;
    this.draw(true, true);
  }

  /** @type {Viewer.View["pressKey"]} */
  pressKey(event) {
    return !event.defaultPrevented && pressKey(event, this.target);
  }

  /** @type {Viewer.View["onFrame"]} */
  onFrame(listener) {
    this.listeners.frame.push(listener);
  }

  /** @type {Viewer.View["onHover"]} */
  onHover(listener) {
    this.listeners.hover.push(listener);
  }

  /** @type {Viewer.View["onClick"]} */
  onClick(listener) {
    this.listeners.click.push(listener);
  }

  close() {
    this.observer.disconnect();
    this.map.close();
  }

  /** @param {Viewer.Point} point */
  maskAt(point) {
    const { x, y } = imagePoint(this.frame(), this.size, point);
    return this.map.at(x / this.image.width, y / this.image.height);
  }

  /** @param {number | null} index */
  hover(index) {
    if (index === this.hovered) return;
    this.hovered = index;
    for (const listener of this.listeners.hover) listener(index);
  }

  /** @param {Error | null} error */
  mapChanged(error) {
    this.problem.hidden = !error;
    this.problem.textContent = error?.message ?? "";
    this.element.ariaBusy = this.map.busy ? "true" : null;
    this.draw(false, true);
  }

  resized() {
    const { clientWidth: width, clientHeight: height } = this.element;
    this.size = { width, height };
    this.layers.resize(this.size, window.devicePixelRatio || 1);
    if (this.chosen) this.setFrame(this.chosen, { quiet: true });
    this.draw(true, true);
  }

  // Draw in the next animation frame, however many changes come before it.
  /** @type {(picture: boolean, masks: boolean) => void} */
  draw(picture, masks) {
    this.stale.picture ||= picture;
    this.stale.masks ||= masks;
    if (this.stale.requested) return;
    this.stale.requested = true;
    requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    const { picture, masks } = this.stale;
    this.stale = { picture: false, masks: false, requested: false };
    if (!this.size.width || !this.size.height) return;
    const { image, style, highlighted, outlines, moving } = this;
    const frame = this.frame();
    if (picture) this.layers.drawPicture(this.source, frame, image, moving);
    if (moving) this.moved = performance.now(); // a slow drawing is no pause
    if (!masks) return;
    const { levels } = this.map;
    this.layers.drawMasks({ levels, masks: this.masks, style, highlighted, outlines, frame, image, moving });
  }
}
