import { svg } from "/dashboard/static/dom.js";
import { figure } from "/dashboard/static/charts/plot.js";
import { drawRows } from "/dashboard/static/charts/rows.js";
import { linear } from "/dashboard/static/charts/scale.js";

const HALF = 7;

// rows: {name, value, tip, colour, length}; `most` is the upper bound of the axis if the metric has one
/** @type {(label: string, groups: Charts.Group<Charts.BarRow>[], axis: string, most?: number | null) => HTMLElement} */
export function bars(label, groups, axis, most = null) {
  const end = most ?? Math.max(...groups.flatMap((group) => group.rows.map((row) => row.length)), 0);
  /** @type {(from: number, to: number) => Charts.Scale} */
  const scale = (from, to) => linear(0, end, from, to);
  /** @type {(row: Charts.BarRow, y: number, at: Charts.Scale) => Node[]} */
  const mark = (row, y, at) => [
    svg("rect", {
      class: `filled ${row.colour} length`,
      x: at(0),
      y: y - HALF,
      width: Math.max(at(row.length) - at(0), 1),
      height: 2 * HALF,
      rx: 2,
    }),
  ];
  return figure(label, (width) => drawRows(groups, { scale, axis, mark }, width));
}
