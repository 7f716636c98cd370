// Masks as spans, and the label map that is painted from them: the topmost mask of every pixel. Pure functions, which the
// worker runs for all masks and the page for the highlighted ones.

import { runsOf } from "/dashboard/static/rle.js";

const MAX_LABELS = 32_000_000; // pixels of a label map; larger images are sampled
const SMALL = 500_000; // pixels of a label map that stay in a processor's cache
const SHORT = 24; // pixels; a loop is faster than `fill` up to here

/** @type {(segmentation: Api.RunLengths) => Viewer.Spans} */
export function spansOf({ counts, size: [height, width] }) {
  const runs = runsOf(counts);
  const bounds = new Uint32Array(runs.length & ~1);
  let at = 0;
  for (let index = 0; index < runs.length; index++) {
    at += runs[index];
    // The end of a background run is where a span starts. A last background run starts none.
    if (index < bounds.length) bounds[index] = at;
  }
  return { bounds, width, height };
}

/** @param {Viewer.Spans} spans */
export function areaOf({ bounds }) {
  let area = 0;
  for (let index = 0; index < bounds.length; index += 2) area += bounds[index + 1] - bounds[index];
  return area;
}

// Return the indexes of the shown masks from the largest to the smallest, so that small masks are painted last.
/** @type {(areas: ArrayLike<number>, shown: ArrayLike<number>) => number[]} */
export function paintOrder(areas, shown) {
  const order = [];
  for (let index = 0; index < areas.length; index++) if (shown[index]) order.push(index);
  return order.sort((a, b) => areas[b] - areas[a] || a - b);
}

// Return an empty label map of the masks' size, or of every n-th row and column if that would be too large. The spare
// buffer is used again if it has the right length.
/** @type {(masks: Viewer.Spans[], spare: ArrayBuffer | null) => Viewer.Labels & { step: number }} */
export function emptyLabels(masks, spare) {
  const [full] = masks;
  const step = Math.ceil(Math.sqrt((full.width * full.height) / MAX_LABELS));
  const width = Math.ceil(full.width / step),
    height = Math.ceil(full.height / step);
  const Values = masks.length < 2 ** 16 ? Uint16Array : Uint32Array;
  const length = width * height * Values.BYTES_PER_ELEMENT;
  const values = new Values(spare?.byteLength === length ? spare : new ArrayBuffer(length)).fill(0);
  return { values, width, height, step };
}

// Return the map and, for zoomed out views, its every second, fourth … row and column, which need less memory traffic.
/** @type {(full: Viewer.Labels) => Viewer.Labels[]} */
export function levelsOf(full) {
  const levels = [full];
  while (levels[levels.length - 1].values.length > SMALL) levels.push(halved(levels[levels.length - 1]));
  return levels;
}

/** @type {(labels: Viewer.Labels) => Viewer.Labels} */
function halved(labels) {
  const width = Math.ceil(labels.width / 2),
    height = Math.ceil(labels.height / 2);
  const Values = labels.values instanceof Uint16Array ? Uint16Array : Uint32Array;
  const values = new Values(width * height);
  for (let x = 0, to = 0; x < width; x++) {
    for (let from = 2 * x * labels.height, end = from + labels.height; from < end; from += 2) {
      values[to++] = labels.values[from];
    }
  }
  return { values, width, height };
}

/** @type {(map: Viewer.Labels & { step: number }, spans: Viewer.Spans, label: number) => void} */
export function paint({ values, height: rows, step }, { bounds, height }, label) {
  for (let index = 0; index < bounds.length; index += 2) {
    const start = bounds[index],
      end = bounds[index + 1];
    if (step > 1) paintSampled(values, rows, step, height, start, end, label);
    else if (end - start > SHORT) values.fill(label, start, end);
    else for (let at = start; at < end; at++) values[at] = label;
  }
}

/** @type {(values: Uint16Array | Uint32Array, rows: number, step: number, height: number, start: number, end: number, label: number) => void} */
function paintSampled(values, rows, step, height, start, end, label) {
  for (let at = start; at < end; ) {
    const column = Math.floor(at / height),
      top = column * height,
      stop = Math.min(end, top + height);
    if (column % step === 0) {
      const first = (column / step) * rows;
      values.fill(label, first + Math.ceil((at - top) / step), first + Math.ceil((stop - top) / step));
    }
    at = stop;
  }
}
