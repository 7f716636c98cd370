// COCO's compressed RLE: each character holds 5 bits, offset by '0', and its sixth bit says that more follow. From the
// third on, runs are stored as differences to the run before last. Column-major, background first (pycocotools, maskApi.c).

/** @param {string} counts */
export function runsOf(counts) {
  /** @type {number[]} */
  const runs = [];
  for (let at = 0; at < counts.length; ) {
    let value = 0,
      shift = 0,
      code;
    do {
      code = counts.charCodeAt(at++) - 48;
      value |= (code & 31) << shift;
      shift += 5;
    } while (code & 32);
    if (code & 16) value |= -1 << shift;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  return runs;
}

// Call `paint` with the row-major index of every pixel of the mask.
/** @type {(lengths: Api.RunLengths, paint: (index: number) => void) => void} */
export function eachPixel({ counts, size: [height, width] }, paint) {
  let at = 0;
  runsOf(counts).forEach((run, index) => {
    if (index % 2) for (let i = at; i < at + run; i++) paint((i % height) * width + Math.floor(i / height));
    at += run;
  });
}

// Return whether the mask covers the pixel (x, y).
/** @type {(lengths: Api.RunLengths, x: number, y: number) => boolean} */
export function covers({ counts, size: [height, width] }, x, y) {
  if (x < 0 || y < 0 || x >= width || y >= height) return false;
  let left = x * height + y;
  const runs = runsOf(counts);
  for (let index = 0; index < runs.length; index++) {
    left -= runs[index];
    if (left < 0) return index % 2 === 1;
  }
  return false;
}
