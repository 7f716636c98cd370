// Charts with one row per measurement: the name at the left (above the mark on a phone), the value at the right.

import { svg } from "/dashboard/static/dom.js";
import { fit, PHONE, text, textWidth, tipped } from "/dashboard/static/charts/plot.js";
import { tickText } from "/dashboard/static/charts/scale.js";

const GAP = 14,
  HEADER = 30,
  AXIS = 40,
  LETTERS = 7,
  LINE = 15;

// groups: [{name, rows}]; a row has {name, value, tip}. options: {scale: (from, to) => scale, axis, mark: (row, y, scale) => nodes, under?}
/**
 * @template {Charts.Row} Row
 * @param {Charts.Group<Row>[]} groups
 * @param {Charts.RowsOptions<Row>} options
 * @param {number} width
 * @returns {Charts.Drawing}
 */
export function drawRows(groups, options, width) {
  const phone = width < PHONE,
    rows = groups.flatMap((group) => group.rows);
  /** @param {Row} row */
  const heightOf = (row) => (phone ? 44 + (twoLines(row, width)[1] ? LINE : 0) : 28);
  const names = phone ? LETTERS : Math.min(width / 2, Math.max(...rows.map((row) => textWidth(row.name))) + GAP);
  const values = phone ? 0 : Math.max(...rows.map((row) => textWidth(row.value))) + GAP;
  const from = names,
    to = width - (phone ? LETTERS * 2 : Math.max(values, LETTERS * 4));
  const scale = options.scale(from, to),
    marks = [];
  let top = 0;
  for (const group of groups) {
    if (group.name) marks.push(text(0, top + 19, fit(group.name, width, 13), { class: "group" }));
    top += group.name ? HEADER : 4;
    for (const row of group.rows) {
      const height = heightOf(row),
        middle = top + height - (phone ? 13 : height / 2);
      marks.push(
        tipped(
          row.tip,
          svg("rect", { class: "hit", x: 0, y: top, width, height }),
          ...labels(row, { phone, names, width, top, middle }),
          ...options.mark(row, middle, scale),
        ),
      );
      top += height;
    }
  }
  const under = options.under ? options.under(scale, top, width) : [];
  return {
    height: top + AXIS,
    marks: [
      ...axis(scale, options.axis, { bottom: top, from, to, top: groups[0].name ? HEADER : 0 }),
      ...under,
      ...marks,
    ],
  };
}

/**
 * @param {Charts.Row} row
 * @param {{ phone: boolean, names: number, width: number, top: number, middle: number }} place
 */
function labels(row, { phone, names, width, top, middle }) {
  if (!phone)
    return [
      text(0, middle + 4, fit(row.name, names - GAP), { class: "name" }),
      text(width, middle + 4, row.value, { class: "value", "text-anchor": "end" }),
    ];
  const [first, second] = twoLines(row, width);
  return [
    text(0, top + 17, first, { class: "name halo" }),
    text(width, top + 17, row.value, { class: "value halo", "text-anchor": "end" }),
    ...(second ? [text(0, top + 17 + LINE, second, { class: "name halo" })] : []),
  ];
}

// Break a name that is too long to stand beside its value on a phone, after one of its parts where possible.
/** @type {(row: Charts.Row, width: number) => string[]} */
function twoLines(row, width) {
  const room = width - textWidth(row.value) - GAP;
  if (textWidth(row.name) <= room) return [row.name];
  const parts = row.name.split(" · ");
  let kept = parts.length - 1;
  while (kept > 1 && textWidth(parts.slice(0, kept).join(" · ")) > room) kept -= 1;
  return [fit(parts.slice(0, kept).join(" · ") || row.name, room), fit(parts.slice(kept).join(" · "), width)];
}

// Grid lines from top to bottom, numbers below them, and the title of the axis on the last line.
/** @type {(scale: Charts.Scale, title: string, place: Record<"bottom" | "from" | "to" | "top", number>) => Node[]} */
function axis(scale, title, { bottom, from, to, top }) {
  const ticks = scale.ticks(Math.max(2, Math.floor((to - from) / 90)));
  const lines = ticks.map((tick) =>
    svg("line", { class: "grid", x1: scale(tick), x2: scale(tick), y1: top, y2: bottom + 4 }),
  );
  const numbers = ticks.map((tick) =>
    text(scale(tick), bottom + 17, tickText(tick, ticks), { class: "tick", "text-anchor": "middle" }),
  );
  return [
    ...lines,
    ...numbers,
    text((from + to) / 2, bottom + 33, title, { class: "tick title", "text-anchor": "middle" }),
  ];
}
