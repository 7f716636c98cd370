// Line chart of values over time. Each series has its own colour and marker shape.

import { svg } from "/dashboard/static/dom.js";
import { figure, shape, text, textWidth, tipped } from "/dashboard/static/charts/plot.js";
import { linear, logarithmic, paddedLog, roundUp, spread, tickText } from "/dashboard/static/charts/scale.js";

const LEFT = 46,
  BOTTOM = 26,
  TOP = 24,
  RIGHT = 16,
  MOST_FORMS = 20;

/**
 * @typedef {object} FrameOptions
 * @property {number} width
 * @property {number} height
 * @property {string} yTitle
 * @property {Charts.LinesOptions["moment"]} moment
 * @property {Charts.LinesOptions["ticks"]} ticks
 * @property {number} first
 * @property {number} last
 */

// series: {name, colour, shape, dashed?, points: [{at, value, tip}]}; ticks(first, last, most) returns the times of the axis ticks, and `moment` formats one
/** @type {(label: string, series: Charts.Line[], options: Charts.LinesOptions) => HTMLElement} */
export function lines(
  label,
  series,
  { y: yTitle, moment, ticks, air, height = 240, from = null, until = null, changes = [], logAbove = Infinity },
) {
  const points = series.flatMap((one) => one.points);
  const all = points.map((point) => point.value),
    log = Math.min(...all) > 0 && spread(all) > logAbove;
  const first = from ?? Math.min(...points.map((point) => point.at)),
    last = until ?? Math.max(...points.map((point) => point.at));
  /** @param {number} width */
  const draw = (width) => {
    const alone = first === last;
    const sx = linear(alone ? first - air : first, alone ? last + air : last, LEFT + 6, width - RIGHT);
    const sy = log
      ? logarithmic(...paddedLog(all), height - BOTTOM, TOP)
      : linear(0, roundUp(Math.max(...all, 0)), height - BOTTOM, TOP);
    return {
      height,
      marks: [
        ...frame(sx, sy, {
          width,
          height,
          yTitle: `${yTitle}${log ? ", logarithmic" : ""}`,
          moment,
          ticks,
          first,
          last,
        }),
        ...changed(changes, sx, { width, height }),
        ...series.flatMap((one) => drawn(one, sx, sy)),
      ],
    };
  };
  return figure(label, draw);
}

/** @type {(sx: Charts.Scale, sy: Charts.Scale, options: FrameOptions) => Node[]} */
function frame(sx, sy, { width, height, yTitle, moment, ticks, first, last }) {
  const ys = sy.ticks(4),
    most = Math.max(1, Math.floor((width - LEFT) / 80)),
    bottom = height - BOTTOM;
  const xs = ticks(first, last, most);
  return [
    ...ys.map((tick) => svg("line", { class: "grid", x1: LEFT, x2: width - 4, y1: sy(tick), y2: sy(tick) })),
    ...ys.map((tick) => text(LEFT - 8, sy(tick) + 4, tickText(tick, ys), { class: "tick", "text-anchor": "end" })),
    ...xs.map((tick) => svg("line", { class: "grid", x1: sx(tick), x2: sx(tick), y1: bottom, y2: bottom + 4 })),
    ...xs.map((tick) =>
      text(Math.min(sx(tick), width - 24), bottom + 18, moment(tick), { class: "tick", "text-anchor": "middle" }),
    ),
    text(0, 12, yTitle, { class: "tick title" }),
  ];
}

/** @type {(one: Charts.Line, sx: Charts.Scale, sy: Charts.Scale) => Node[]} */
function drawn(one, sx, sy) {
  const path = one.points.map((point) => `${sx(point.at)},${sy(point.value)}`).join(" ");
  const line = svg("polyline", { class: `stroke line ${one.colour} ${one.dashed ? "dashed" : ""}`, points: path });
  const every = Math.ceil(one.points.length / MOST_FORMS);
  const dots = one.points.map((point, index) =>
    tipped(
      point.tip,
      svg("circle", { class: "hit", cx: sx(point.at), cy: sy(point.value), r: every > 1 ? 6 : 11 }),
      index % every
        ? null
        : shape(one.shape, sx(point.at), sy(point.value), 4, {
            class: `point ${one.dashed ? "hollow" : "filled"} ${one.colour}`,
          }),
    ),
  );
  return [line, ...dots];
}

// Vertical lines with the name of what changed; a name that would cover the one before it is left out.
/** @type {(changes: Charts.Change[], sx: Charts.Scale, size: { width: number, height: number }) => Node[]} */
function changed(changes, sx, { width, height }) {
  let free = 0;
  return changes.flatMap(({ at, name }) => {
    const x = sx(at),
      room = textWidth(name, 11) + 6,
      left = x + room < width ? x + 3 : x - room;
    const fits = left >= free;
    if (fits) free = left + room;
    return [
      svg("line", { class: "change", x1: x, x2: x, y1: TOP - 8, y2: height - BOTTOM }),
      ...(fits ? [text(left, TOP - 2, name, { class: "tick change-name" })] : []),
    ];
  });
}
