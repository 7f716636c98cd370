import { h } from "/dashboard/static/dom.js";
import { milliseconds, rateUnit, timeUnit } from "/dashboard/static/format.js";
import { legend, SHAPES } from "/dashboard/static/charts/plot.js";
import { lines } from "/dashboard/static/charts/lines.js";
import { value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { differences, keysOf, labelOf, look, otherThan } from "/dashboard/static/reports/identity.js";
import { groupChoice, latency, ofStage, stageChoice, stages } from "/dashboard/static/reports/latency.js";
import { throughput } from "/dashboard/static/reports/throughput.js";
import { significant, whole } from "/dashboard/static/reports/units.js";

/** @typedef {"images_per_second" | "p50_ms" | "p95_ms"} Figure */
/** @typedef {Reports.Measured<Api.TrendRow, Figure>} Measured */
/**
 * @typedef {object} PanelOptions
 * @property {Reports.Known} known
 * @property {(row: Measured) => string} differs
 * @property {{ from: number, until: number }} span
 */

const DAY = 86_400_000,
  LOG_ABOVE = 10; // on a linear axis the line of a machine ten times as fast lies on the axis
/** @type {[string, string][]} */
const METRICS = [
  ["p50_p95", "p50 and p95"],
  ["images_per_second", "images per second"],
];
/** @type {Charts.LegendItem[]} */
const PERCENTILES = [
  { name: "p50", colour: "soft", line: true },
  { name: "p95", colour: "soft", line: true, dashed: true, shape: "circle", hollow: true },
];
const speed = () => value("metric") === "images_per_second";
const by = () => value("by_row", "variant");
/** @param {Api.ReportRow} row */
const at = (row) => Date.parse(`${row.day}T00:00:00Z`);

/** @type {(first: number, last: number, most: number) => number[]} */
function days(first, last, most) {
  const stride = Math.max(1, Math.ceil(((last - first) / DAY + 1) / most)) * DAY;
  return Array.from({ length: Math.floor((last - first) / stride) + 1 }, (_, index) => first + index * stride);
}

/** @param {number} time */
const moment = (time) =>
  new Date(time).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });

/** @type {Reports.Definition<Api.TrendRow, Figure>} */
export const trend = {
  title: "Trend",
  lead: "Values by day, in UTC. Each panel has its own axis. A vertical line marks the first day of a version of the code.",
  controls: (_known, changed) => [
    choice("metric", "Figure", METRICS, speed() ? "images_per_second" : "p50_p95", changed),
    ...(speed() ? [] : [stageChoice(changed)]),
    groupChoice(changed),
  ],
  ask: () => ({
    report: speed() ? "throughput" : "latency",
    own: [
      ["group_by", "variant"],
      ["group_by", "hardware"],
      ["group_by", "day"],
      ...(speed() ? [] : stages().map(ofStage)),
    ],
  }),
  measured: (row) => row[speed() ? "images_per_second" : "p50_ms"] !== null,
  charts(rows, answer, known) {
    /** @type {Map<string, Measured[]>} */
    const panels = new Map();
    const differs = exceptVersions(rows, answer);
    const span = { from: Math.min(...rows.map(at)), until: Math.max(...rows.map(at)) };
    for (const row of rows) {
      const title = [labelOf(row, by(), known), stages().length > 1 && row.stage].filter(Boolean).join(" · ");
      panels.set(title, [...(panels.get(title) ?? []), row]);
    }
    const drawn = [...panels].map(([title, list]) => panel(title, list, { known, differs, span }));
    return [[speed() ? null : legend(PERCENTILES), h("div", { class: "panels" }, drawn)]];
  },
  get main() {
    return speed() ? throughput.main : latency.main;
  },
  get caption() {
    return speed() ? "Images per second by day" : "Latency by day";
  },
  columns: (rows) => (speed() ? throughput.columns(rows) : latency.columns(rows)),
};

// Name what distinguishes rows, except versions of the code: a series goes on across them.
/** @type {(rows: Measured[], answer: Api.Report) => (row: Measured) => string} */
function exceptVersions(rows, answer) {
  const alike = new Map(rows.map((row) => [row, { ...row, code_version: "" }]));
  const dimensions = keysOf(rows).filter((name) => name !== "day");
  const differs = differences([...alike.values()], answer.parameters, dimensions);
  return (row) => differs(/** @type {Measured} */ (alike.get(row)));
}

// The first day of each version of the code, if there are several.
/** @type {(rows: Measured[]) => Charts.Change[]} */
function versionsOf(rows) {
  /** @type {Map<string, number>} */
  const first = new Map();
  for (const row of rows) first.set(row.code_version, Math.min(first.get(row.code_version) ?? Infinity, at(row)));
  const found = [...first].map(([name, since]) => ({ at: since, name }));
  return found.length > 1 ? found.sort((a, b) => a.at - b.at) : [];
}

// Series of the same machine share its colour, but have different shapes.
/** @type {(look: Charts.Look, forms: Set<Charts.Shape>) => Charts.Look} */
function ownForm({ colour, shape }, forms) {
  const free = [shape, ...SHAPES].find((name) => !forms.has(name)) ?? shape;
  forms.add(free);
  return { colour, shape: free };
}

/** @type {(title: string, rows: Measured[], options: PanelOptions) => HTMLElement} */
function panel(title, rows, { known, differs, span }) {
  /** @type {Map<string, Measured[]>} */
  const series = new Map();
  for (const row of rows) {
    const name = [labelOf(row, otherThan(by()), known), differs(row)].filter(Boolean).join(" · ");
    series.set(name, [...(series.get(name) ?? []), row]);
  }
  /** @type {Set<Charts.Shape>} */
  const forms = new Set();
  const named = [...series].map(([name, list]) => ({
    name,
    list: list.sort((a, b) => at(a) - at(b) || a.code_version.localeCompare(b.code_version, "en", { numeric: true })),
    ...ownForm(look(list[0], otherThan(by()), known), forms),
  }));
  /**
   * @param {typeof named[number]} one
   * @param {Figure} field
   * @param {string} text
   * @param {(value: number) => string} format
   * @returns {Charts.Line}
   */
  const line = (one, field, text, format, dashed = false) => ({
    ...one,
    dashed,
    points: one.list.map((row) => ({
      at: at(row),
      value: row[field] * unit.factor,
      tip: `${one.name}\n${moment(at(row))}: ${text} ${format(row[field])}, ${row.n === 1 ? "one image" : `n ${whole(row.n)}`}\ncode ${row.code_version}`,
    })),
  });
  const unit = speed() ? rateUnit(rows.map((row) => row.images_per_second)) : timeUnit(rows.map((row) => row.p95_ms));
  const rate = (/** @type {number} */ value) => significant(value * unit.factor);
  const drawn = named.flatMap((one) =>
    speed()
      ? [line(one, "images_per_second", unit.name, rate)]
      : [line(one, "p50_ms", "p50", milliseconds), line(one, "p95_ms", "p95", milliseconds, true)],
  );
  return h(
    "section",
    {},
    h("h3", {}, title),
    lines(`Trend of ${title}`, drawn, {
      y: unit.name,
      moment,
      ticks: days,
      air: DAY,
      changes: versionsOf(rows),
      logAbove: LOG_ABOVE,
      ...span,
    }),
    legend(named.map((one) => ({ ...one, line: true }))),
  );
}
