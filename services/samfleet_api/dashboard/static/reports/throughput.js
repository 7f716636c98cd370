import { milliseconds, rateUnit } from "/dashboard/static/format.js";
import { bars } from "/dashboard/static/charts/bars.js";
import { value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { grouped, look, otherThan } from "/dashboard/static/reports/identity.js";
import { groupChoice } from "/dashboard/static/reports/latency.js";
import { images, number, share, significant, whole } from "/dashboard/static/reports/units.js";

/** @typedef {"images_per_second" | "images_per_gpu_hour" | "gpu_busy_share" | "queue_share"} Metric */

/** @typedef {{ title: string, format: (value: number) => string, most?: number, factor?: number }} Shown */
/** @type {Record<Metric, Shown>} */
const METRICS = {
  images_per_second: { title: "Images over wall-clock time", format: significant },
  images_per_gpu_hour: { title: "Images per device hour", format: whole },
  gpu_busy_share: { title: "Share of time that the device was busy", format: share },
  queue_share: { title: "Share of time spent waiting", format: share, most: 1 },
};
const metric = () => /** @type {Metric} */ (value("metric") in METRICS ? value("metric") : "images_per_second");

/** @param {Api.ThroughputRow[]} rows */
const unitOf = (rows) => rateUnit(rows.map((row) => row.images_per_second ?? 0));

/** @param {Api.ThroughputRow[]} rows */
function shownMetric(rows) {
  const shown = METRICS[metric()];
  if (metric() !== "images_per_second") return shown;
  const { name, factor } = unitOf(rows);
  return { ...shown, title: `I${name.slice(1)}`, factor };
}

// The rates of a table in one unit.
/** @type {(rows: Api.ThroughputRow[]) => Dom.Column<Api.ThroughputRow>} */
function ratesOf(rows) {
  const { name, factor } = unitOf(rows);
  /** @param {Api.ThroughputRow} row */
  const value = (row) => significant(row.images_per_second === null ? null : row.images_per_second * factor);
  return { title: `I${name.slice(1)}`, number: true, value };
}

/** @type {Reports.Definition<Api.ThroughputRow, Metric>} */
export const throughput = {
  title: "Throughput",
  lead: "Images per wall-clock time of their runs, from the first claim of a shard to the last recorded image. Runs of one job share the wall-clock time of their pool; images per device hour count only device time (encode, decode, postprocess).",
  controls: (_known, changed) => [
    choice(
      "metric",
      "Figure",
      Object.entries(METRICS).map(([key, { title }]) => [key, title]),
      metric(),
      changed,
    ),
    groupChoice(changed),
  ],
  ask: () => ({ own: [] }),
  measured: (row) => row[metric()] !== null,
  charts(rows, answer, known) {
    const by = value("by_row", "variant"),
      { title, format, most = null, factor = 1 } = shownMetric(rows);
    /** @type {Reports.Make<typeof rows[number], Charts.BarRow>} */
    const make = (row, name) => ({
      ...look(row, otherThan(by), known),
      length: row[metric()] * factor,
      value: format(row[metric()] * factor),
      tip: `${name}\n${title}: ${format(row[metric()] * factor)}, ${whole(row.n)} images`,
    });
    return [[null, bars(`Throughput: ${title.toLowerCase()}`, grouped(rows, answer, known, by, make), title, most)]];
  },
  caption: "Throughput",
  main: ["Images/s", "Images/min", "Images/h", "Images per device hour"],
  columns: (rows) => [
    ...images,
    { title: "Wall time", number: true, value: (row) => milliseconds(1000 * row.wall_seconds) },
    ratesOf(rows),
    number("Images per device hour", "images_per_gpu_hour", whole),
    number("Device busy", "gpu_busy_share", share),
    number("Waiting", "queue_share", share),
  ],
};
