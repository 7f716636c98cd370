import { h } from "/dashboard/static/dom.js";
import { scatter } from "/dashboard/static/charts/scatter.js";
import { value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { differences, keysOf, labelOf, look } from "/dashboard/static/reports/identity.js";
import { decimals, money, number, significant, whole } from "/dashboard/static/reports/units.js";

const against = () => (value("against") === "cost" ? "cost" : "speed");
const FIGURES = { speed: ["images_per_second", "images per second", "right"], cost: ["cost_per_1000_images", "per 1000 images", "left"] };

export const pareto = {
  title: "Pareto",
  lead: "Quality against speed or cost. What another variant or machine beats in both is hollow; the line joins what nothing beats.",
  controls: (_known, changed) => [choice("against", "Quality against", [["speed", "speed"], ["cost", "cost"]], against(), changed)],
  ask: () => ({ own: [["against", against()]] }),
  measured: () => true,
  get empty() {
    const annotations = "A point needs annotations in its dataset";
    return against() === "speed" ? `${annotations}, so that there is quality to weigh.` : `${annotations} and a price for its hardware; prices are set on the page of costs.`;
  },
  charts(rows, answer, known) {
    const apart = new Map();
    for (const row of rows) {
      const title = [row.dataset, row.currency].filter(Boolean).join(" · ");
      apart.set(title, [...(apart.get(title) ?? []), row]);
    }
    return [...apart].map(([title, list]) => [`Dataset ${title}`, one(title, list, answer, known)]);
  },
  caption: "Quality and what it is weighed against",
  columns: () => [number("Images", "n", whole), number("Instances", "instances", whole), number("mIoU", "miou", decimals(4)),
    against() === "speed" ? number("Images/s", "images_per_second", significant) : { title: "Cost of 1000 images", number: true, value: (row) => money(row.cost_per_1000_images, row.currency) },
    { title: "Dominated", value: (row) => (row.dominated ? h("span", { class: "soft" }, "yes") : h("span", { class: "good" }, "no, on the front")) }],
};

function one(title, rows, answer, known) {
  const [field, unit, better] = FIGURES[against()], differs = differences(rows, answer.parameters, keysOf(rows));
  const machines = [...new Map(rows.map((row) => [row.hardware_id, row])).values()];
  const points = rows.map((row) => {
    const name = [labelOf(row, "variant", known), differs(row)].filter(Boolean).join(" · ");
    const tip = `${name} on ${labelOf(row, "hardware", known)}\nmIoU ${row.miou.toFixed(4)} · ${significant(row[field])} ${row.currency ?? ""} ${unit}\n${row.dominated ? "another point beats it" : "on the front"}`;
    return { x: row[field], y: row.miou, name, tip, dominated: row.dominated, ...look(row, "hardware", known) };
  });
  const items = machines.map((row) => ({ name: labelOf(row, "hardware", known), ...look(row, "hardware", known) }));
  return scatter(`Quality against ${against()}, dataset ${title}`, points, { x: `${rows[0].currency ?? ""} ${unit}`.trim(), y: "mIoU", better, items });
}
