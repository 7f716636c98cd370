// The two canvases of a view: the picture, and over it the masks. Both have the view's size in device pixels.

import { h } from "/dashboard/static/dom.js";
import { colour, contour, gridOf, paintOver, paletteOf, sample, screenOf } from "/dashboard/static/viewer/paint.js";
import { areaOf, paintOrder } from "/dashboard/static/viewer/spans.js";

const STILL_PIXELS = 6_000_000; // of the mask layer; a larger view has coarser pixels
const MOVING_PIXELS = 600_000; // the same during zoom and pan, so that each frame takes a few milliseconds
const PLAIN_PIXELS = 4; // device pixels per picture pixel from which pixels are drawn as squares

export class Layers {
  /** @param {string} label */
  constructor(label) {
    this.picture = h("canvas", { role: "img", "aria-label": label });
    this.masks = h("canvas", { "aria-hidden": "true" });
    this.screen = screenOf(0, 0, 1);
    this.output = new ImageData(1, 1);
    /** @type {Viewer.Pixels} */
    this.pixels = new Uint16Array(0);
    this.ratio = 1;
    this.size = { width: 0, height: 0 };
  }

  // Give the canvases the size of the view, in CSS pixels.
  /** @type {(size: Viewer.Size, ratio: number) => void} */
  resize(size, ratio) {
    this.ratio = ratio;
    this.size = size;
    Object.assign(this.picture, scaled(size, ratio));
  }

  // Give the mask layer its resolution, and its pixels a type with room for the labels.
  /** @type {(moving: boolean, labels: number) => void} */
  prepare(moving, labels) {
    const { width, height } = this.size;
    const most = moving ? MOVING_PIXELS : STILL_PIXELS;
    const ratio = Math.min(this.ratio, Math.sqrt(most / Math.max(1, width * height)));
    const wanted = scaled(this.size, ratio);
    if (wanted.width !== this.masks.width || wanted.height !== this.masks.height) {
      Object.assign(this.masks, wanted);
      this.output = new ImageData(wanted.width, wanted.height);
    }
    this.screen = screenOf(wanted.width, wanted.height, ratio);
    const Values = labels < 2 ** 16 ? Uint16Array : Uint32Array;
    const length = this.screen.stride * this.screen.rows;
    if (this.pixels.length !== length || !(this.pixels instanceof Values)) this.pixels = new Values(length);
  }

  // Return whether moving would use a coarser mask layer.
  get coarsens() {
    return this.size.width * this.size.height * this.ratio ** 2 > MOVING_PIXELS;
  }

  /** @type {(source: CanvasImageSource | null, frame: Viewer.Frame, image: Viewer.Size, moving: boolean) => void} */
  drawPicture(source, frame, image, moving) {
    const context = /** @type {CanvasRenderingContext2D} */ (this.picture.getContext("2d"));
    const { width, height } = this.picture;
    context.clearRect(0, 0, width, height);
    if (!source) return;
    const scale = frame.scale * this.ratio;
    context.imageSmoothingEnabled = scale * (image.width / widthOf(source, image.width)) < PLAIN_PIXELS;
    context.imageSmoothingQuality = moving ? "low" : "medium";
    context.drawImage(
      source,
      width / 2 - frame.x * scale,
      height / 2 - frame.y * scale,
      image.width * scale,
      image.height * scale,
    );
  }

  /** @param {Viewer.Drawing} drawing */
  drawMasks({ levels, masks, style, highlighted, outlines, frame, image, moving }) {
    this.prepare(moving, Math.max(2 * masks.length, outlines.length) + 1);
    const context = /** @type {CanvasRenderingContext2D} */ (this.masks.getContext("2d"));
    const out = new Uint32Array(this.output.data.buffer);
    const grid = gridOf(this.screen, frame, image);
    if (levels.length) sample(this.pixels, grid, levels);
    else this.pixels.fill(0);
    for (const [index, spans] of bySize(highlighted)) {
      paintOver(this.pixels, grid, spans, masks.length + index + 1);
    }
    colour(out, this.pixels, this.screen, paletteOf(masks, style, highlighted.length > 0));
    if (outlines.length) {
      this.pixels.fill(0);
      const order = bySize(outlines.map((outline, index) => [index, outline.spans]));
      for (const [index, spans] of order) paintOver(this.pixels, grid, spans, index + 1);
      contour(out, this.pixels, this.screen, outlines);
    }
    context.putImageData(this.output, 0, 0);
  }
}

/** @type {(masks: [number, Viewer.Spans][]) => [number, Viewer.Spans][]} */
function bySize(masks) {
  const areas = masks.map(([, spans]) => areaOf(spans));
  return paintOrder(areas, areas.map(Boolean).map(Number)).map((at) => masks[at]);
}

/** @type {(size: Viewer.Size, ratio: number) => Viewer.Size} */
const scaled = ({ width, height }, ratio) => ({
  width: Math.max(1, Math.round(width * ratio)),
  height: Math.max(1, Math.round(height * ratio)),
});

// Pixels across the source; other kinds of sources count as full size.
/** @type {(source: CanvasImageSource, otherwise: number) => number} */
function widthOf(source, otherwise) {
  if (source instanceof HTMLImageElement) return source.naturalWidth || otherwise;
  return "width" in source && typeof source.width === "number" ? source.width : otherwise;
}
