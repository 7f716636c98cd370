import { bars } from "/dashboard/static/charts/bars.js";
import { value } from "/dashboard/static/reports/address.js";
import { grouped, look, otherThan } from "/dashboard/static/reports/identity.js";
import { groupChoice } from "/dashboard/static/reports/latency.js";
import { decimals, number, whole } from "/dashboard/static/reports/units.js";

export const quality = {
  title: "Quality",
  lead: "How well masks agree with the annotations of the dataset: the mean over instances of the best mask's intersection over union.",
  controls: (_known, changed) => [groupChoice(changed)],
  ask: () => ({ own: [] }),
  measured: (row) => row.miou !== null,
  empty: "No run of these had annotations to agree with. Add a COCO file to a dataset before sealing it, and its jobs are measured here.",
  charts(rows, answer, known) {
    const by = value("by_row", "variant");
    const make = (row, name) => ({ ...look(row, otherThan(by), known), length: row.miou, value: row.miou.toFixed(3), tip: `${name}\nmIoU ${row.miou.toFixed(4)} over ${whole(row.instances)} instances` });
    return [[null, bars("Quality: mean intersection over union", grouped(rows, answer, known, by, make), "mIoU", 1)]];
  },
  caption: "Agreement with annotations",
  columns: () => [number("Images", "n", whole), number("Instances", "instances", whole), number("mIoU", "miou", decimals(4))],
};
