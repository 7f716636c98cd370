// The list of masks beside the picture.

import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { Grid } from "/dashboard/static/viewer/grid.js";
import { marks } from "/dashboard/static/viewer/marks.js";
import { sortKey } from "/dashboard/static/viewer/masks.js";

/** @param {number | null} value */
const share = (value) => (value === null ? "–" : value.toFixed(2));

/** @param {Viewer.Colour} colour */
function swatch(colour) {
  const element = h("span", { class: "swatch" });
  element.style.background = `rgb(${colour.join(" ")})`; // by script: the content security policy forbids style attributes
  return element;
}

// The box that shows or hides a mask, in a label that is large enough for a finger.
/** @type {(session: Viewer.PageSession, row: Viewer.MaskRow) => HTMLElement} */
function visibility(session, row) {
  const box = h("input", {
    type: "checkbox",
    tabindex: "-1",
    checked: !session.choices.hidden.has(row.index),
    "aria-label": `Show mask ${row.index + 1}`,
    onchange: () => session.toggleHidden(row.index),
  });
  const stay = (/** @type {Event} */ event) => event.stopPropagation(); // a click on the row would pin the mask
  return h("label", { class: "mark", onclick: stay }, box, swatch(marks.get(row.index)?.colour ?? row.colour));
}

/** @param {Viewer.MaskRow} row */
const categoryOf = ({ index, category }) => marks.get(index)?.category ?? category;

/** @param {Viewer.MaskRow} row */
function stateOf({ index }) {
  const mark = marks.get(index);
  return h("span", { class: mark?.tone ?? null }, mark?.text || "–");
}

/** @type {(session: Viewer.PageSession) => Viewer.GridColumn<Viewer.MaskRow>[]} */
function columnsOf(session) {
  const { rows, annotations } = session;
  /** @type {(Viewer.GridColumn<Viewer.MaskRow> | false)[]} */
  const columns = [
    {
      key: "shown",
      title: "Show",
      width: "2.6rem",
      sorts: false,
      cell: (row) => visibility(session, row),
    },
    { key: "index", title: "Mask", width: "2.7rem", number: true, cell: (row) => count(row.index + 1) },
    rows.some(categoryOf) && {
      key: "category",
      title: "Category",
      width: "minmax(5rem, 1fr)",
      cell: (row) => categoryOf(row) || "–",
    },
    marks.size > 0 && { key: "review", title: "Review", width: "4.6rem", sorts: false, cell: stateOf },
    { key: "area", title: "Area, px", width: "minmax(4.2rem, 1fr)", number: true, cell: (row) => count(row.area) },
    { key: "predicted", title: "Predicted IoU", width: "5.7rem", number: true, cell: (row) => share(row.predicted) },
    Boolean(annotations?.annotated) && {
      key: "iou",
      title: "IoU",
      width: "2.7rem",
      number: true,
      cell: (row) => share(row.iou),
    },
    {
      key: "stability",
      title: "Stability",
      width: "4.2rem",
      number: true,
      least: "medium",
      cell: (row) => share(row.stability),
    },
    {
      key: "box",
      title: "Box: x, y, size",
      width: "minmax(10.5rem, 1.4fr)",
      number: true,
      least: "wide",
      cell: boxText,
    },
  ];
  return columns.filter((column) => column !== false);
}

/** @param {Viewer.MaskRow} row */
export const boxText = ({ box: [x, y, width, height] }) =>
  `${Math.round(x)}, ${Math.round(y)}, ${Math.round(width)} × ${Math.round(height)}`;

/** @type {(session: Viewer.PageSession) => HTMLElement} */
export function maskList(session) {
  const { choices, rows } = session;
  const status = h("p", { class: "soft", role: "status" });
  /** @type {Grid<Viewer.MaskRow>} */
  const grid = new Grid({
    label: "Masks",
    columns: columnsOf(session),
    onHover: (row) => session.hover(row ? [row.index] : []),
    onChoose: (row) => session.pin(row.index),
    onKey: (event, row) => pressed(event, row, session),
    onSort: (key) => {
      const chosen = sortKey(key);
      if (chosen) choices.sort = { key: chosen, descending: chosen === choices.sort.key && !choices.sort.descending };
      session.refresh();
    },
    isChosen: (row) => choices.pins.includes(row.index),
  });
  session.onRefresh.push(() => {
    const listed = session.listed();
    grid.setColumns(columnsOf(session));
    grid.setSort(choices.sort);
    grid.setRows(listed);
    status.textContent = statusOf(listed.length, rows.length, choices);
  });
  session.onHover.push((indexes) => grid.mark(indexes.map((index) => rows[index])));
  session.onPins.push((pins) => {
    const last = pins.at(-1);
    if (last !== undefined && !grid.element.contains(document.activeElement)) grid.reveal(rows[last]);
    grid.draw();
  });
  return h("div", { class: "mask-list" }, buttonsOf(session), status, grid.element);
}

/** @type {(event: KeyboardEvent, row: Viewer.MaskRow, session: Viewer.PageSession) => boolean} */
function pressed(event, row, session) {
  if (event.key === "h") session.toggleHidden(row.index);
  else if (event.key === "z") session.zoomTo(row.box);
  else return false;
  return true;
}

/** @type {(listed: number, all: number, choices: Viewer.Choices) => string} */
function statusOf(listed, all, { hidden }) {
  if (!all) return "The variant found no mask in this image.";
  if (!listed) return "No mask passes the filters. Widen or clear them.";
  const masks =
    listed === all ? `${count(all)} ${all === 1 ? "mask" : "masks"}` : `${count(listed)} of ${count(all)} masks`;
  return hidden.size ? `${masks}, ${count(hidden.size)} hidden` : masks;
}

/** @param {Viewer.PageSession} session */
function buttonsOf(session) {
  /** @type {(text: string, act: () => void) => HTMLElement} */
  const button = (text, act) => h("button", { type: "button", onclick: act }, text);
  const { choices, rows } = session;
  return h(
    "div",
    { class: "buttons" },
    button("Show all", () => {
      choices.hidden.clear();
      session.refresh();
    }),
    button("Hide all", () => {
      for (const { index } of rows) choices.hidden.add(index);
      session.refresh();
    }),
    button("Unpin all", () => session.setPins([])),
    button("Zoom to pinned", () => {
      const boxes = choices.pins.map((index) => rows[index].box);
      if (boxes.length) session.zoomTo(around(boxes));
    }),
  );
}

/** @param {number[][]} boxes */
function around(boxes) {
  const left = Math.min(...boxes.map(([x]) => x)),
    top = Math.min(...boxes.map(([, y]) => y));
  const right = Math.max(...boxes.map(([x, , width]) => x + width)),
    bottom = Math.max(...boxes.map(([, y, , height]) => y + height));
  return [left, top, right - left, bottom - top];
}
