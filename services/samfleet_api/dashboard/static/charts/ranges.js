// Latency percentiles: a bar up to the median, whiskers to p90, p95 and p99.

import { svg } from "/dashboard/static/dom.js";
import { figure, legend, shape } from "/dashboard/static/charts/plot.js";
import { drawRows } from "/dashboard/static/charts/rows.js";
import { linear, logarithmic, paddedLog, spread } from "/dashboard/static/charts/scale.js";

const WIDE = 40; // ratio of the largest to the smallest value above which the axis is logarithmic
const HALF = 7;

// rows: {name, value, tip, colour, percentiles: [p50, p90, p95, p99]}, in `unit`
/** @type {(label: string, groups: Charts.Group<Charts.RangeRow>[], unit: string) => HTMLElement} */
export function ranges(label, groups, unit) {
  const all = groups.flatMap((group) => group.rows.flatMap((row) => row.percentiles)).filter((value) => value > 0);
  const log = all.length > 0 && spread(all) > WIDE;
  /** @type {(from: number, to: number) => Charts.Scale} */
  const scale = (from, to) =>
    log ? logarithmic(...paddedLog(all), from, to) : linear(0, Math.max(...all, 0), from, to);
  /** @type {(row: Charts.RangeRow, y: number, at: Charts.Scale) => Node[]} */
  const mark = (row, y, at) => range(row, y, at, log);
  const axis = `${unit} per image${log ? ", logarithmic" : ""}`;
  return figure(label, (width) => drawRows(groups, { scale, axis, mark }, width), legend(key(log)));
}

/** @type {(row: Charts.RangeRow, y: number, at: Charts.Scale, log: boolean) => Node[]} */
function range(row, y, at, log) {
  const [p50, p90, p95, p99] = row.percentiles.map(at);
  /** @type {(x: number, half: number, name: string) => SVGLineElement} */
  const tick = (x, half, name) =>
    svg("line", { class: `stroke ${row.colour} ${name}`, x1: x, x2: x, y1: y - half, y2: y + half });
  const median = log
    ? shape("diamond", p50, y, 5, { class: `filled ${row.colour} p50` })
    : svg("rect", {
        class: `filled ${row.colour} p50`,
        x: at(0),
        y: y - HALF,
        width: Math.max(p50 - at(0), 1),
        height: 2 * HALF,
        rx: 2,
      });
  return [
    svg("line", { class: `stroke ${row.colour}`, x1: p50, x2: p99, y1: y, y2: y }),
    median,
    tick(p90, 3, "p90"),
    tick(p95, 6, "p95"),
    shape("circle", p99, y, 3, { class: `hollow ${row.colour} p99` }),
  ];
}

/** @type {(log: boolean) => Charts.LegendItem[]} */
function key(log) {
  const line = svg("line", { class: "stroke soft", x1: 1, x2: 25, y1: 7, y2: 7 });
  /** @param {number} half */
  const tick = (half) => [
    line.cloneNode(),
    svg("line", { class: "stroke soft", x1: 13, x2: 13, y1: 7 - half, y2: 7 + half }),
  ];
  const median = log
    ? shape("diamond", 13, 7, 5, { class: "filled soft" })
    : svg("rect", { class: "filled soft", x: 1, y: 1, width: 24, height: 12, rx: 2 });
  return [
    { name: "p50, the median", marks: [median] },
    { name: "p90", marks: tick(3) },
    { name: "p95", marks: tick(6) },
    { name: "p99", marks: [line.cloneNode(), shape("circle", 22, 7, 3, { class: "hollow soft" })] },
  ].map((item) => ({ ...item, marks: svg("g", {}, item.marks) }));
}
