// Forest plot of ratios with their intervals. The reference line at 1 means equally fast.

import { svg } from "/dashboard/static/dom.js";
import { figure, legend, shape } from "/dashboard/static/charts/plot.js";
import { drawRows } from "/dashboard/static/charts/rows.js";
import { logarithmic, paddedLog } from "/dashboard/static/charts/scale.js";

// rows: {name, value, tip, ratio, low, high, certain}; low and high are null if there are too few measurements
/** @type {(label: string, groups: Charts.Group<Charts.RatioRow>[], axis: string) => HTMLElement} */
export function forest(label, groups, axis) {
  const all = groups.flatMap((group) =>
    group.rows.flatMap((row) => [row.ratio, row.low ?? row.ratio, row.high ?? row.ratio]),
  );
  const bounds = paddedLog([...all, 0.8, 1.25], 1.1);
  /** @type {(from: number, to: number) => Charts.Scale} */
  const scale = (from, to) => logarithmic(...bounds, from, to);
  /** @type {(at: Charts.Scale, bottom: number) => Node[]} */
  const under = (at, bottom) => [svg("line", { class: "one", x1: at(1), x2: at(1), y1: 0, y2: bottom + 4 })];
  return figure(
    label,
    (width) => drawRows(groups, { scale, axis, mark, under }, width),
    legend([
      { name: "one is faster", colour: "c0", shape: "square", line: true },
      {
        name: "cannot tell",
        colour: "soft",
        shape: "square",
        line: true,
        hollow: true,
      },
    ]),
  );
}

/** @type {(row: Charts.RatioRow, y: number, at: Charts.Scale) => Node[]} */
function mark(row, y, at) {
  const colour = row.certain ? "c0" : "soft",
    x = at(row.ratio);
  const whisker =
    row.low === null || row.high === null
      ? []
      : [
          svg("line", { class: `stroke ${colour} interval`, x1: at(row.low), x2: at(row.high), y1: y, y2: y }),
          ...[row.low, row.high].map((end) =>
            svg("line", { class: `stroke ${colour}`, x1: at(end), x2: at(end), y1: y - 5, y2: y + 5 }),
          ),
        ];
  return [...whisker, shape("square", x, y, 4.5, { class: `${row.certain ? "filled" : "hollow"} ${colour} ratio` })];
}
