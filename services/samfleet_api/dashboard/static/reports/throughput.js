import { bars } from "/dashboard/static/charts/bars.js";
import { value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { grouped, look, otherThan } from "/dashboard/static/reports/identity.js";
import { groupChoice } from "/dashboard/static/reports/latency.js";
import { decimals, images, number, share, significant, whole } from "/dashboard/static/reports/units.js";

/** @typedef {"images_per_second" | "images_per_gpu_hour" | "gpu_busy_share" | "queue_share"} Metric */

/** @type {Record<Metric, [string, (value: number | null) => string, number | null]>} */
const METRICS = {
  images_per_second: ["Images per second", significant, null],
  images_per_gpu_hour: ["Images per device hour", whole, null],
  gpu_busy_share: ["Share of time that the device was busy", share, null],
  queue_share: ["Share of time spent waiting", share, 1],
};
const metric = () => /** @type {Metric} */ (value("metric") in METRICS ? value("metric") : "images_per_second");

/** @type {Reports.Definition<Api.ThroughputRow, Metric>} */
export const throughput = {
  title: "Throughput",
  lead: "Images per wall-clock time of their runs, from the first claim of a shard to the last recorded image. Runs of one job share the wall-clock time of their pool; images per device hour count only device time (encode, decode, postprocess).",
  controls: (_known, changed) => [
    choice(
      "metric",
      "Figure",
      Object.entries(METRICS).map(([key, [title]]) => [key, title]),
      metric(),
      changed,
    ),
    groupChoice(changed),
  ],
  ask: () => ({ own: [] }),
  measured: (row) => row[metric()] !== null,
  charts(rows, answer, known) {
    const by = value("by_row", "variant"),
      [title, format, most] = METRICS[metric()];
    /** @type {Reports.Make<typeof rows[number], Charts.BarRow>} */
    const make = (row, name) => ({
      ...look(row, otherThan(by), known),
      length: row[metric()],
      value: format(row[metric()]),
      tip: `${name}\n${title}: ${format(row[metric()])}`,
    });
    return [[null, bars(`Throughput: ${title.toLowerCase()}`, grouped(rows, answer, known, by, make), title, most)]];
  },
  caption: "Throughput",
  columns: () => [
    ...images,
    number("Wall time, s", "wall_seconds", decimals(1)),
    number("Images/s", "images_per_second", significant),
    number("Images per device hour", "images_per_gpu_hour", whole),
    number("Device busy", "gpu_busy_share", share),
    number("Waiting", "queue_share", share),
  ],
};
