import { h } from "/dashboard/static/dom.js";
import { scatter } from "/dashboard/static/charts/scatter.js";
import { value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { differences, keysOf, labelOf, look } from "/dashboard/static/reports/identity.js";
import { decimals, money, number, significant, whole } from "/dashboard/static/reports/units.js";

/** @typedef {Reports.Measured<Api.ParetoRow, "miou" | "ap" | "ar_1000" | "lvis_ap">} Weighed */

/** @type {Record<string, "miou" | "ap" | "ar_1000" | "lvis_ap">} */
const QUALITY = { miou: "miou", ap: "ap", ar: "ar_1000", lvis_ap: "lvis_ap" };
/** @type {[string, string][]} */
const QUALITIES = [
  ["miou", "mIoU"],
  ["ap", "AP"],
  ["ar", "AR, 1000 masks"],
  ["lvis_ap", "LVIS AP"],
];
const kind = () => (value("quality") in QUALITY ? value("quality") : "miou");
const title = () => new Map(QUALITIES).get(kind()) ?? "";
const against = () => (value("against") in FIGURES ? value("against") : "device");
/** @type {[string, string][]} */
const CHOICES = [
  ["device", "device time"],
  ["speed", "images/s"],
  ["cost", "cost"],
];
/** @type {Record<string, ["images_per_gpu_hour" | "images_per_second" | "cost_per_1000_images", string, string]>} */
const FIGURES = {
  device: ["images_per_gpu_hour", "images per device hour", "right"],
  speed: ["images_per_second", "images per second", "right"],
  cost: ["cost_per_1000_images", "per 1000 images", "left"],
};
/** @type {Record<string, Dom.Column<Api.ParetoRow>>} */
const WEIGHED = {
  device: number("Images per device hour", "images_per_gpu_hour", significant),
  speed: number("Images/s", "images_per_second", significant),
  cost: { title: "Cost per 1000 images", number: true, value: (row) => money(row.cost_per_1000_images, row.currency) },
};

/** @type {Reports.Definition<Api.ParetoRow, "miou" | "ap" | "ar_1000" | "lvis_ap">} */
export const pareto = {
  title: "Pareto",
  lead: "Quality against speed or cost. A dominated point (hollow, grey) has another that is at least as good in both and better in one; a step line joins the Pareto front. Runs of one job share the wall-clock time of their pool and therefore images/s; device time distinguishes them.",
  controls: (_known, changed) => [
    choice("quality", "Quality", QUALITIES, kind(), changed),
    choice("against", "against", CHOICES, against(), changed),
  ],
  ask: () => ({
    own: [
      ["against", against()],
      ["quality", kind()],
    ],
  }),
  measured: () => true,
  get empty() {
    const annotations =
      kind() === "miou" ? "A point needs annotations in its dataset" : "A point needs an evaluated run";
    return against() === "cost"
      ? `${annotations} and a price for its hardware. Set prices on the Cost page.`
      : `${annotations}.`;
  },
  charts(rows, answer, known) {
    /** @type {Map<string, Weighed[]>} */
    const apart = new Map();
    for (const row of rows) {
      const name = [row.dataset, row.task, row.currency].filter(Boolean).join(" · ");
      apart.set(name, [...(apart.get(name) ?? []), row]);
    }
    return [...apart].map(([name, list]) => [`Dataset ${name}`, one(name, list, answer, known)]);
  },
  get caption() {
    return `Quality against ${new Map(CHOICES).get(against())}`;
  },
  get main() {
    return [title(), WEIGHED[against()].title];
  },
  columns: () => [
    { title: "Masks", value: (row) => h("a", { href: behind(row) }, "Compare") },
    number("Images", "n", whole),
    number("Instances", "instances", whole),
    ...QUALITIES.map(([key, name]) => number(name, QUALITY[key], decimals(4))),
    WEIGHED[against()],
    {
      title: "Dominated",
      value: (row) =>
        row.dominated ? h("span", { class: "soft" }, "yes") : h("span", { class: "good" }, "no, on the Pareto front"),
    },
    { title: "Kind of task", value: (row) => row.task },
  ],
};

// The page that shows the images behind a point, beside those of another variant.
/** @param {Api.ParetoRow} row */
const behind = (row) =>
  `/dashboard/compare?${new URLSearchParams({ variant: row.variant, dataset: row.dataset ?? "" })}`;

/** @type {(dataset: string, rows: Weighed[], answer: Api.Report, known: Reports.Known) => HTMLElement} */
function one(dataset, rows, answer, known) {
  const [field, unit, better] = FIGURES[against()],
    differs = differences(rows, answer.parameters, keysOf(rows));
  const machines = [...new Map(rows.map((row) => [row.hardware_id, row])).values()];
  const points = rows.map((row) => {
    const name = [labelOf(row, "variant", known), differs(row)].filter(Boolean).join(" · "),
      quality = row[QUALITY[kind()]];
    const tip = `${name} on ${labelOf(row, "hardware", known)}\n${title()} ${quality.toFixed(4)} · ${significant(row[field])} ${row.currency ?? ""} ${unit}\n${row.dominated ? "dominated" : "on the Pareto front"}`;
    return { x: row[field], y: quality, name, tip, dominated: row.dominated, ...look(row, "hardware", known) };
  });
  const items = machines.map((row) => ({ name: labelOf(row, "hardware", known), ...look(row, "hardware", known) }));
  return scatter(`Quality against ${against()}, dataset ${dataset}`, points, {
    x: `${rows[0].currency ?? ""} ${unit}`.trim(),
    y: title(),
    better,
    items,
  });
}
