// Charts as SVG of our own. Each is for the eye; what it shows stands in the table beside it, which is for everybody.

import { h, svg } from "/dashboard/static/dom.js";
import { milliseconds } from "/dashboard/static/format.js";

const WIDE = 1120, NARROW = 380, ROW = 46, BAR = 20, AXIS = 26, PHONE = 40 * 16;

// One width of drawing for phones: a wide one would shrink its letters beyond reading.
const width = () => (globalThis.innerWidth < PHONE ? NARROW : WIDE);

export function ticks(most, wanted = 4) {
  if (!(most > 0)) return [0];
  const rough = most / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}

function frame(rows, most, label, marks) {
  const across = width(), height = rows * ROW + AXIS;
  const scale = (value) => (most > 0 ? (value / most) * (across - 60) : 0);
  const lines = ticks(most, across === NARROW ? 3 : 5).map((value) => [
    svg("line", { class: "axis", x1: scale(value), x2: scale(value), y1: 0, y2: height - AXIS + 4 }),
    svg("text", { class: "tick", x: scale(value), y: height - 6 }, value ? milliseconds(value) : "0"),
  ]);
  return svg("svg", { class: "chart", viewBox: `0 0 ${across} ${height}`, role: "img", "aria-label": label }, lines.flat(), marks(scale));
}

// rows: [{name, parts: {stage: ms}}]
export function stackedBars(label, stages, rows) {
  const totals = rows.map((row) => Object.values(row.parts).reduce((sum, ms) => sum + ms, 0));
  const marks = (scale) => rows.flatMap((row, index) => {
    let from = 0;
    const y = index * ROW;
    const bars = stages.map((stage, colour) => {
      const ms = row.parts[stage] ?? 0, x = scale(from);
      from += ms;
      return svg("rect", { class: `f${colour}`, x, y: y + 20, width: scale(ms), height: BAR }, svg("title", {}, `${row.name}, ${stage}: ${milliseconds(ms)}`));
    });
    return [svg("text", { x: 0, y: y + 14 }, `${row.name}: ${milliseconds(totals[index])}`), ...bars];
  });
  return h("figure", { class: "card" }, frame(rows.length, Math.max(...totals, 0), label, marks), legend(stages));
}

// parts: [[stage, ms]] one after the other
export function waterfall(label, parts) {
  const total = parts.reduce((sum, [, ms]) => sum + ms, 0);
  const marks = (scale) => {
    let from = 0;
    return parts.flatMap(([stage, ms], index) => {
      const y = index * ROW, x = scale(from);
      from += ms;
      const anchor = x > scale(total) / 2 ? "end" : "start";
      const at = anchor === "end" ? x + scale(ms) : x;
      return [svg("text", { x: at, y: y + 14, "text-anchor": anchor }, `${stage}: ${milliseconds(ms)}`),
        svg("rect", { class: `f${index}`, x, y: y + 20, width: Math.max(scale(ms), 1), height: BAR })];
    });
  };
  return h("figure", { class: "card" }, frame(parts.length, total, label, marks));
}

function legend(stages) {
  return h("ul", { class: "legend" }, stages.map((stage, colour) => h("li", {}, h("span", { class: `swatch f${colour}` }), stage)));
}
