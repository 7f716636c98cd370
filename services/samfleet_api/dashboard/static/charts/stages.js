// Time per stage: stacked bars of means for runs, a waterfall for a single image.

import { svg } from "/dashboard/static/dom.js";
import { milliseconds, timeUnit } from "/dashboard/static/format.js";
import { colourOf, figure, legend, text, textWidth, tipped } from "/dashboard/static/charts/plot.js";
import { drawRows } from "/dashboard/static/charts/rows.js";
import { linear } from "/dashboard/static/charts/scale.js";
import { stageNames } from "/dashboard/static/stages.js";

const HALF = 9,
  AIR = 1;

// A stage has the same colour on every page.
/** @param {string} stage */
const colour = (stage) => colourOf(Math.max(0, stageNames().indexOf(stage)));

/** @type {(stage: string, name: string, ms: number, from: number, to: number, y: number) => SVGGElement} */
function segment(stage, name, ms, from, to, y) {
  const width = Math.max(to - from - AIR, 1),
    room = textWidth(stage, 11) + 8 < width;
  return tipped(
    `${name}\n${stage}: ${milliseconds(ms)}`,
    svg("rect", { class: `filled ${colour(stage)} length`, x: from, y: y - HALF, width, height: 2 * HALF, rx: 2 }),
    room ? text(from + width / 2, y + 4, stage, { class: "inside", "text-anchor": "middle" }) : null,
  );
}

// rows: [{name, parts: {stage: ms}}]
/** @type {(label: string, stages: string[], rows: { name: string, parts: Record<string, number> }[]) => HTMLElement} */
export function stackedBars(label, stages, rows) {
  const list = rows.map((row) => {
    const total = Object.values(row.parts).reduce((sum, ms) => sum + ms, 0);
    return { ...row, total, value: milliseconds(total), tip: `${row.name}\n${milliseconds(total)} in total` };
  });
  const most = Math.max(...list.map((row) => row.total), 0);
  const unit = timeUnit([most]);
  /** @type {(row: typeof list[number], y: number, at: Charts.Scale) => Node[]} */
  const mark = (row, y, at) => {
    let from = 0;
    return stages.map((stage) => {
      const ms = row.parts[stage] ?? 0,
        start = from;
      from += ms;
      return segment(stage, row.name, ms, at(start * unit.factor), at(from * unit.factor), y);
    });
  };
  /** @type {Charts.RowsOptions<typeof list[number]>} */
  const options = { scale: (from, to) => linear(0, most * unit.factor, from, to), axis: unit.name, mark };
  return figure(
    label,
    (width) => drawRows([{ name: "", rows: list }], options, width),
    legend(stages.map((stage) => ({ name: stage, colour: colour(stage), shape: "square" }))),
  );
}

// parts: [[stage, ms]] in chronological order
/** @type {(label: string, parts: [string, number][]) => HTMLElement} */
export function waterfall(label, parts) {
  let before = 0;
  const list = parts.map(([stage, ms]) => {
    const row = {
      name: stage,
      from: before,
      ms,
      value: milliseconds(ms),
      tip: `${stage}: ${milliseconds(ms)}, after ${milliseconds(before)}`,
    };
    before += ms;
    return row;
  });
  const unit = timeUnit([before]);
  /** @type {(scale: Charts.Scale, ms: number) => number} */
  const at = (scale, ms) => scale(ms * unit.factor);
  /** @type {(row: typeof list[number], y: number, scale: Charts.Scale) => Node[]} */
  const mark = (row, y, scale) => [
    svg("rect", {
      class: `filled ${colour(row.name)} length`,
      x: at(scale, row.from),
      y: y - HALF,
      width: Math.max(at(scale, row.from + row.ms) - at(scale, row.from), 1),
      height: 2 * HALF,
      rx: 2,
    }),
  ];
  /** @type {Charts.RowsOptions<typeof list[number]>} */
  const options = { scale: (from, to) => linear(0, before * unit.factor, from, to), axis: unit.name, mark };
  return figure(label, (width) => drawRows([{ name: "", rows: list }], options, width));
}
