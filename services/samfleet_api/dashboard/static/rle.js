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
