// Worker of a view: decodes run lengths and paints the label map, so that thousands of masks do not block the page.

import { areaOf, emptyLabels, levelsOf, paint, paintOrder, spansOf } from "/dashboard/static/viewer/spans.js";

/** @type {Viewer.Spans[]} */
let masks = [];
/** @type {number[]} */
let areas = [];

/** @param {Viewer.DrawRequest} request */
function draw({ version, segmentations, shown, spare }) {
  if (segmentations) {
    masks = segmentations.map(spansOf);
    areas = masks.map(areaOf);
  }
  const labels = emptyLabels(masks, spare);
  for (const index of paintOrder(areas, shown)) paint(labels, masks[index], index + 1);
  const levels = levelsOf(labels);
  self.postMessage({ version, levels }, { transfer: levels.map(({ values }) => values.buffer) });
}

self.addEventListener("message", (event) => draw(event.data));
