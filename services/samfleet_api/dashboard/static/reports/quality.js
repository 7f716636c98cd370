import { bars } from "/dashboard/static/charts/bars.js";
import { value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { grouped, look, otherThan } from "/dashboard/static/reports/identity.js";
import { groupChoice } from "/dashboard/static/reports/latency.js";
import { decimals, images, number, whole } from "/dashboard/static/reports/units.js";

// The first metric is measured image by image; the others come from the evaluation of whole runs.
/** @type {Record<Api.QualityFigure, string>} */
const METRICS = {
  miou: "mIoU",
  miou_evaluated: "mIoU, evaluated",
  miou_small: "mIoU, small",
  miou_medium: "mIoU, medium",
  miou_large: "mIoU, large",
  ap: "AP",
  ap50: "AP at IoU 0.5",
  ap75: "AP at IoU 0.75",
  ap_small: "AP, small",
  ap_medium: "AP, medium",
  ap_large: "AP, large",
  ar_1: "AR, 1 mask",
  ar_10: "AR, 10 masks",
  ar_100: "AR, 100 masks",
  ar_1000: "AR, 1000 masks",
  ar_1000_small: "AR, small",
  ar_1000_medium: "AR, medium",
  ar_1000_large: "AR, large",
  ap_agnostic: "class-agnostic AP",
  ap50_agnostic: "class-agnostic AP at IoU 0.5",
  ap75_agnostic: "class-agnostic AP at IoU 0.75",
  ap_agnostic_small: "class-agnostic AP, small",
  ap_agnostic_medium: "class-agnostic AP, medium",
  ap_agnostic_large: "class-agnostic AP, large",
  lvis_ap: "LVIS AP",
  lvis_ap50: "LVIS AP at IoU 0.5",
  lvis_ap75: "LVIS AP at IoU 0.75",
  lvis_ap_small: "LVIS AP, small",
  lvis_ap_medium: "LVIS AP, medium",
  lvis_ap_large: "LVIS AP, large",
  lvis_apr: "LVIS AP, rare categories",
  lvis_apc: "LVIS AP, common categories",
  lvis_apf: "LVIS AP, frequent categories",
  lvis_ar: "LVIS AR",
  lvis_ar_small: "LVIS AR, small",
  lvis_ar_medium: "LVIS AR, medium",
  lvis_ar_large: "LVIS AR, large",
};
const metric = () => /** @type {Api.QualityFigure} */ (value("metric") in METRICS ? value("metric") : "miou");
/** @param {Api.QualityRow[]} rows */
const figures = (rows) =>
  /** @type {Api.QualityFigure[]} */ (Object.keys(METRICS)).filter((name) =>
    rows.some((row) => row[name] !== null && row[name] !== undefined),
  );

/** @type {Reports.Definition<Api.QualityRow, Api.QualityFigure>} */
export const quality = {
  title: "Quality",
  lead: "Agreement of masks with the annotations of the dataset. mIoU is the mean over instances of the best mask's IoU (intersection over union). AP and AR are available for evaluated runs.",
  controls: (_known, changed) => [
    choice("metric", "Figure", Object.entries(METRICS), metric(), changed),
    groupChoice(changed),
  ],
  ask: () => ({ own: [] }),
  measured: (row) => row[metric()] !== null && row[metric()] !== undefined,
  empty:
    "None of these runs had annotations. Add a COCO file to a dataset before sealing it; its jobs are then measured here.",
  get unmeasured() {
    return `None of these runs has ${METRICS[metric()]}. AP and AR need a job with evaluation; the table shows the available figures.`;
  },
  charts(rows, answer, known) {
    const by = value("by_row", "variant"),
      name = METRICS[metric()];
    /** @type {Reports.Make<typeof rows[number], Charts.BarRow>} */
    const make = (row, title) => ({
      ...look(row, otherThan(by), known),
      length: row[metric()],
      value: row[metric()].toFixed(3),
      tip: `${title}\n${name} ${row[metric()].toFixed(4)} over ${whole(row.instances)} instances`,
    });
    return [[null, bars(`Quality: ${name}`, grouped(rows, answer, known, by, make), name, 1)]];
  },
  caption: "Agreement with annotations",
  get main() {
    return [METRICS[metric()], "Instances"];
  },
  columns: (rows) => [
    ...images,
    number("Instances", "instances", whole),
    number("Runs evaluated", "runs_evaluated", whole),
    ...figures(rows).map((name) => number(METRICS[name], name, decimals(4))),
  ],
};
