// Scatter plot with labels that do not overlap, and the Pareto front as a step line.

import { svg } from "/dashboard/static/dom.js";
import { figure, fit, legend, shape, text, textWidth, tipped } from "/dashboard/static/charts/plot.js";
import { linear, logarithmic, padded, paddedLog, spread, tickText } from "/dashboard/static/charts/scale.js";

/** @typedef {Charts.ScatterPoint & { px: number, py: number }} Placed a point and its pixels */
/** @typedef {{ x: number, y: number, width: number, height: number }} Box */
/** @typedef {[number, number]} Pair */

const WIDE = 8,
  LEFT = 46,
  BOTTOM = 42,
  TOP = 26,
  RIGHT = 12,
  LINE = 15,
  REACH = 10;

// points: {x, y, name, tip, colour, shape, dominated}; `better` is the direction of better values of x: "right" or "left"
/**
 * @param {string} label
 * @param {Charts.ScatterPoint[]} points
 * @param {{ x: string, y: string, better: string, items: Charts.LegendItem[] }} options
 */
export function scatter(label, points, { x: xTitle, y: yTitle, better, items }) {
  const across = points.map((point) => point.x),
    up = points.map((point) => point.y);
  const log = spread(across) > WIDE;
  /** @param {number} width */
  const draw = (width) => {
    const height = Math.round(Math.min(440, Math.max(300, width * 0.42)));
    /** @type {Pair} */
    const bounds = [LEFT, width - RIGHT];
    const sx = log ? logarithmic(...paddedLog(across, 1.35), ...bounds) : linear(...padded(across, 0.15, 0), ...bounds);
    const sy = linear(...padded(up, 0.2, 0, 1), height - BOTTOM, TOP);
    const placed = points.map((point) => ({ ...point, px: sx(point.x), py: sy(point.y) }));
    const front = placed.filter((point) => !point.dominated).sort((a, b) => a.px - b.px);
    const corners = steps(front, better),
      line = svg("polyline", { class: "front", points: corners.map((pair) => pair.join(",")).join(" ") });
    return {
      height,
      marks: [
        ...frame(sx, sy, width, height, `${xTitle}${log ? ", logarithmic" : ""}`, yTitle),
        line,
        ...marksOf(placed, corners, width, height),
      ],
    };
  };
  const arrow = better === "right" ? "up and right" : "up and left";
  return figure(
    label,
    draw,
    legend([
      ...items,
      {
        name: "dominated",
        shape: "circle",
        hollow: true,
        colour: "soft",
      },
      { name: `Pareto front; ${arrow} is better`, line: true, colour: "front" },
    ]),
  );
}

// Corners of the step line: the best quality at a given minimum speed or maximum cost. It is constant between two points.
/** @type {(front: Placed[], better: string) => Pair[]} */
function steps(front, better) {
  return front.flatMap((point, index) => {
    const before = front[index - 1];
    /** @type {Pair | undefined} */
    const corner = before && (better === "right" ? [before.px, point.py] : [point.px, before.py]);
    /** @type {Pair} */
    const end = [point.px, point.py];
    return corner ? [corner, end] : [end];
  });
}

/**
 * @param {Charts.Scale} sx
 * @param {Charts.Scale} sy
 * @param {number} width
 * @param {number} height
 * @param {string} xTitle
 * @param {string} yTitle
 */
function frame(sx, sy, width, height, xTitle, yTitle) {
  const xs = sx.ticks(Math.max(2, Math.floor((width - LEFT) / 90))),
    ys = sy.ticks(5),
    bottom = height - BOTTOM;
  return [
    ...ys.map((tick) => svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: sy(tick), y2: sy(tick) })),
    ...xs.map((tick) => svg("line", { class: "grid", x1: sx(tick), x2: sx(tick), y1: TOP, y2: bottom + 4 })),
    ...ys.map((tick) => text(LEFT - 8, sy(tick) + 4, tickText(tick, ys), { class: "tick", "text-anchor": "end" })),
    ...xs.map((tick) => text(sx(tick), bottom + 17, tickText(tick, xs), { class: "tick", "text-anchor": "middle" })),
    text((LEFT + width - RIGHT) / 2, height - 6, xTitle, { class: "tick title", "text-anchor": "middle" }),
    text(0, 12, yTitle, { class: "tick title" }),
  ];
}

/** @type {(points: Placed[], corners: Pair[], width: number, height: number) => Node[]} */
function marksOf(points, corners, width, height) {
  const walls = corners.slice(1).map(([x, y], index) => between(corners[index], [x, y]));
  const taken = [...points.map((point) => box(point.px - 7, point.py - 7, 14, 14)), ...walls];
  const labels = new Map(labelsOf(points, taken, width, height));
  return points.map((point) => {
    const mark = shape(point.shape, point.px, point.py, 5.5, {
      class: `point ${point.dominated ? "hollow soft" : `filled ${point.colour}`}`,
    });
    const label = labels.get(point);
    return tipped(point.tip, ...(label ? [leader(point, label.at), mark, label.text] : [mark]));
  });
}

// Names of the points on the front go first; a dominated point without free room has its name in the table only.
/** @type {(points: Placed[], taken: Box[], width: number, height: number) => [Placed, { at: Box, text: Node }][]} */
function labelsOf(points, taken, width, height) {
  const inTurn = [...points].sort((a, b) => Number(a.dominated) - Number(b.dominated));
  return inTurn.flatMap((point) => {
    const name = fit(point.name, width * 0.55);
    const { at, free } = place(point, textWidth(name) + 4, taken, width, height);
    if (point.dominated && !free) return [];
    taken.push(at);
    const label = text(at.x + 2, at.y + 11, name, { class: point.dominated ? "tick halo" : "name halo" });
    /** @type {[Placed, { at: Box, text: Node }]} */
    const placed = [point, { at, text: label }];
    return [placed];
  });
}

/** @type {(point: Placed, at: Box) => Node | null} */
function leader(point, at) {
  const x = Math.max(at.x, Math.min(point.px, at.x + at.width)),
    y = Math.max(at.y, Math.min(point.py, at.y + LINE));
  const far = Math.hypot(x - point.px, y - point.py) > 1.6 * REACH;
  return far ? svg("line", { class: "leader", x1: point.px, y1: point.py, x2: x, y2: y }) : null;
}

/** @type {(x: number, y: number, width: number, height: number) => Box} */
const box = (x, y, width, height) => ({ x, y, width, height });
/** @type {(one: Pair, other: Pair) => Box} */
const between = ([x1, y1], [x2, y2]) =>
  box(Math.min(x1, x2) - 1, Math.min(y1, y2) - 1, Math.abs(x1 - x2) + 2, Math.abs(y1 - y2) + 2);
/** @type {(a: Box, b: Box) => number} */
const overlap = (a, b) =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

// Choose a place for a label around its point: the first that overlaps nothing, else the one with the least overlap.
/** @type {(point: Placed, room: number, taken: Box[], width: number, height: number) => { at: Box, free: boolean }} */
function place(point, room, taken, width, height) {
  const spots = [1, 2.2, 3.6].flatMap((reach) => {
    const d = REACH * reach,
      { px, py } = point;
    return [
      [px + d, py - 7],
      [px - d - room, py - 7],
      [px - room / 2, py - d - LINE],
      [px - room / 2, py + d],
      [px + d * 0.7, py - d - 8],
      [px - d * 0.7 - room, py - d - 8],
      [px + d * 0.7, py + d - 6],
      [px - d * 0.7 - room, py + d - 6],
    ];
  });
  const fits = spots
    .map(([x, y]) => box(x, y, room, LINE))
    .filter((one) => one.x >= LEFT && one.x + room <= width && one.y >= TOP - 8 && one.y + LINE <= height - BOTTOM);
  /** @param {Box} one */
  const cost = (one) => taken.reduce((sum, other) => sum + overlap(one, other), 0);
  const free = fits.find((one) => cost(one) === 0);
  const at =
    free ??
    fits.sort((a, b) => cost(a) - cost(b))[0] ??
    box(Math.max(LEFT, Math.min(point.px, width - room)), point.py - 7, room, LINE);
  return { at, free: free !== undefined };
}
