// The rows of the mask list: their figures, filters and order. Pure functions.

export const FOUND_IOU = 0.5; // as in the API
const GOLDEN_RATIO = (5 ** 0.5 - 1) / 2;

// Return the colour that the API's pictures give the mask of this index.
/** @type {(index: number) => Viewer.Colour} */
function colourOf(index) {
  const hue = 6 * ((index * GOLDEN_RATIO) % 1),
    value = Math.floor(index / 8) % 2 ? 0.8 : 1;
  /** @param {number} shift */
  const part = (shift) => {
    const at = (shift + hue) % 6;
    return Math.round(255 * value * (1 - 0.85 * Math.max(0, Math.min(at, 4 - at, 1))));
  };
  return [part(5), part(3), part(1)];
}

/** @type {(masks: Api.Mask[]) => Viewer.MaskRow[]} */
export const rowsOf = (masks) =>
  masks.map((mask, index) => ({
    index,
    segmentation: mask.segmentation,
    colour: colourOf(index),
    area: mask.area,
    predicted: mask.predicted_iou ?? null,
    stability: mask.stability_score ?? null,
    iou: null,
    category: mask.category_id === undefined ? "" : `category ${mask.category_id}`,
    box: mask.bbox,
  }));

// Add what the annotations say: IoUs, and names of categories.
/** @type {(rows: Viewer.MaskRow[], masks: Api.Mask[], answer: Api.ImageAnnotations) => void} */
export function addMatches(rows, masks, answer) {
  const names = new Map(answer.categories.map(({ id, name }) => [id, name]));
  rows.forEach((row, index) => {
    row.iou = answer.masks[index]?.iou ?? null;
    const id = masks[index].category_id;
    if (id !== undefined) row.category = names.get(id) ?? row.category;
  });
}

/** @type {(rows: Viewer.MaskRow[], filters: Viewer.Filters) => Viewer.MaskRow[]} */
export function filtered(rows, { score, least, most, category, fit }) {
  return rows.filter(
    (row) =>
      (score === null || (row.predicted ?? 0) >= score) &&
      (least === null || row.area >= least) &&
      (most === null || row.area <= most) &&
      (!category || row.category === category) &&
      (!fit || row.iou === null || row.iou >= FOUND_IOU === (fit === "right")),
  );
}

/** @type {Record<Viewer.SortKey, (a: Viewer.MaskRow, b: Viewer.MaskRow) => number>} */
const ORDERS = {
  index: (a, b) => a.index - b.index,
  category: (a, b) => a.category.localeCompare(b.category),
  area: (a, b) => a.area - b.area,
  predicted: (a, b) => (a.predicted ?? -1) - (b.predicted ?? -1),
  stability: (a, b) => (a.stability ?? -1) - (b.stability ?? -1),
  iou: (a, b) => (a.iou ?? -1) - (b.iou ?? -1),
  box: (a, b) => a.box[1] - b.box[1] || a.box[0] - b.box[0], // from top to bottom
};

/** @type {(key: string) => Viewer.SortKey | null} */
export const sortKey = (key) => (Object.hasOwn(ORDERS, key) ? /** @type {Viewer.SortKey} */ (key) : null);

/** @type {(rows: Viewer.MaskRow[], sort: Viewer.Sort) => Viewer.MaskRow[]} */
export function sorted(rows, { key, descending }) {
  const way = descending ? -1 : 1;
  return [...rows].sort((a, b) => way * ORDERS[key](a, b) || a.index - b.index);
}
