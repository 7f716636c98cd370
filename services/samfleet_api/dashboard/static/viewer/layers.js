// The two canvases of a view: the picture, and over it the masks. Both have the view's size in device pixels.

import { h } from "/dashboard/static/dom.js";
import { colour, contour, gridOf, paintOver, paletteOf, sample, screenOf } from "/dashboard/static/viewer/paint.js";
import { areaOf, paintOrder } from "/dashboard/static/viewer/spans.js";

const MASK_PIXELS = 3_000_000; // of the mask layer; more would not pan smoothly, so a larger view has coarser pixels
const PLAIN_PIXELS = 4; // device pixels per picture pixel from which pixels are drawn as squares

export class Layers {
  /** @param {string} label */
  constructor(label) {
    this.picture = h("canvas", { role: "img", "aria-label": label });
    this.masks = h("canvas", { "aria-hidden": "true" });
    this.screen = screenOf(0, 0, 1);
    this.pixels = new Uint32Array(0);
    this.output = new ImageData(1, 1);
  }

  // Give the canvases the size of the view, in CSS pixels.
  /** @type {(size: Viewer.Size, ratio: number) => void} */
  resize({ width, height }, ratio) {
    this.ratio = ratio;
    this.picture.width = Math.max(1, Math.round(width * ratio));
    this.picture.height = Math.max(1, Math.round(height * ratio));
    const coarse = Math.min(ratio, Math.sqrt(MASK_PIXELS / Math.max(1, width * height)));
    this.masks.width = Math.max(1, Math.round(width * coarse));
    this.masks.height = Math.max(1, Math.round(height * coarse));
    this.screen = screenOf(this.masks.width, this.masks.height, coarse);
    this.pixels = new Uint32Array(this.screen.stride * this.screen.rows);
    this.output = new ImageData(this.masks.width, this.masks.height);
  }

  /** @type {(source: CanvasImageSource | null, frame: Viewer.Frame, image: Viewer.Size) => void} */
  drawPicture(source, frame, image) {
    const context = /** @type {CanvasRenderingContext2D} */ (this.picture.getContext("2d"));
    const { width, height } = this.picture;
    context.clearRect(0, 0, width, height);
    if (!source) return;
    const scale = frame.scale * (this.ratio ?? 1);
    context.imageSmoothingEnabled = scale * (image.width / widthOf(source, image.width)) < PLAIN_PIXELS;
    context.imageSmoothingQuality = "medium";
    context.drawImage(
      source,
      width / 2 - frame.x * scale,
      height / 2 - frame.y * scale,
      image.width * scale,
      image.height * scale,
    );
  }

  /** @param {Viewer.Drawing} drawing */
  drawMasks({ labels, masks, style, highlighted, outlines, frame, image }) {
    const context = /** @type {CanvasRenderingContext2D} */ (this.masks.getContext("2d"));
    const out = new Uint32Array(this.output.data.buffer);
    const grid = gridOf(this.screen, frame, image);
    if (labels) sample(this.pixels, grid, labels);
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

// Pixels across the source; a source without a size of its own counts as full size.
/** @type {(source: CanvasImageSource, otherwise: number) => number} */
function widthOf(source, otherwise) {
  if (source instanceof HTMLImageElement) return source.naturalWidth || otherwise;
  return "width" in source && typeof source.width === "number" ? source.width : otherwise;
}
