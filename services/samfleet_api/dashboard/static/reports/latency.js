import { milliseconds, timeUnit } from "/dashboard/static/format.js";
import { h } from "/dashboard/static/dom.js";
import { ranges } from "/dashboard/static/charts/ranges.js";
import { value, values } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { grouped, look, otherThan } from "/dashboard/static/reports/identity.js";
import { images, ms, number, whole } from "/dashboard/static/reports/units.js";
import { stageNames } from "/dashboard/static/stages.js";

/** @type {("p50_ms" | "p90_ms" | "p95_ms" | "p99_ms")[]} */
const PERCENTILES = ["p50_ms", "p90_ms", "p95_ms", "p99_ms"];
/** @type {[string, string][]} */
const GROUPS = [
  ["variant", "Variant"],
  ["hardware", "Hardware"],
];
/** @type {(name: string) => [string, string]} */
const byName = (name) => [name, name];
/** @type {[string, string][]} */
const SUMS = [
  ["image", "whole image"],
  ["model", "inside Triton"],
];
const stageTexts = () => [...SUMS, ...stageNames().map(byName)];

/** @type {(name: string) => [string, string]} */
export const ofStage = (name) => ["stage", name];
export const stages = () => (values("stage").length ? values("stage") : ["image"]);
/** @param {Reports.Changed} changed */
export const stageChoice = (changed) => choice("stage", "Stage", stageTexts(), stages()[0], changed);
/** @param {Reports.Changed} changed */
export const groupChoice = (changed) => choice("by_row", "Grouped by", GROUPS, value("by_row", "variant"), changed);

const ENOUGH = 100; // images, so that one percent of them is an image
const FEW = "Of fewer than 100 images, p99 is close to the slowest image.";

/** @param {number} n */
const ofImages = (n) => (n === 1 ? "one image" : `n ${whole(n)}`);

/** @type {Reports.Definition<Api.LatencyRow, "p50_ms" | "p90_ms" | "p95_ms" | "p99_ms">} */
export const latency = {
  title: "Latency",
  lead: "Time per image, by variant and hardware. If a batch was computed at once, each image has its share of the batch's time.",
  controls: (_known, changed) => [stageChoice(changed), groupChoice(changed)],
  ask: () => ({ own: stages().map(ofStage) }),
  measured: (row) => row.p50_ms !== null,
  charts(rows, answer, known) {
    const by = value("by_row", "variant"),
      unit = timeUnit(rows.map((row) => row.p99_ms)),
      few = rows.some((row) => row.n < ENOUGH);
    /** @type {Reports.Make<typeof rows[number], Charts.RangeRow>} */
    const make = (row, name) => ({
      ...look(row, otherThan(by), known),
      value: `${milliseconds(row.p50_ms)}, ${ofImages(row.n)}`,
      tip: `${name}\n${row.n === 1 ? "one image, so all percentiles are its time" : `${whole(row.n)} images`}\np50 ${milliseconds(row.p50_ms)} · p90 ${milliseconds(row.p90_ms)}\np95 ${milliseconds(row.p95_ms)} · p99 ${milliseconds(row.p99_ms)}`,
      percentiles: PERCENTILES.map((field) => row[field] * unit.factor),
    });
    const chart = ranges(
      "Latency percentiles by variant and hardware",
      grouped(rows, answer, known, by, make),
      unit.name,
    );
    return [[null, chart], ...(few ? [/** @type {Reports.Chart} */ ([null, h("p", { class: "soft" }, FEW)])] : [])];
  },
  caption: "Latency",
  main: ["p50", "p95"],
  columns: () => [
    ...images,
    number("Mean", "mean_ms", ms),
    ...PERCENTILES.map((field) => number(field.replace("_ms", ""), field, ms)),
  ],
};
