import { put } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { bars } from "/dashboard/static/charts/bars.js";
import { value } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { grouped, look, otherThan } from "/dashboard/static/reports/identity.js";
import { groupChoice } from "/dashboard/static/reports/latency.js";
import { decimals, money, number, whole } from "/dashboard/static/reports/units.js";

const energy = () => value("metric") === "energy";
/** @param {Api.CostRow} row */
const perThousand = (row) => money(row.cost_per_1000_images, row.currency);
/** @param {Api.CostRow} row */
const wattHours = (row) => money(row.wh_per_1000_images, "Wh");

/** @type {Reports.Definition<Api.CostRow, "cost_per_1000_images" | "wh_per_1000_images">} */
export const cost = {
  title: "Cost",
  lead: "Cost of the hours that a device spent computing, without idle and waiting time, and the energy that GPUs measured.",
  controls: (_known, changed) => [
    choice(
      "metric",
      "Figure",
      [
        ["cost", "cost"],
        ["energy", "energy"],
      ],
      energy() ? "energy" : "cost",
      changed,
    ),
    groupChoice(changed),
  ],
  ask: () => ({ own: [] }),
  measured: (row) => row[energy() ? "wh_per_1000_images" : "cost_per_1000_images"] !== null,
  get unmeasured() {
    return energy()
      ? "None of this hardware measures its energy. NVIDIA GPUs do, from Volta on."
      : "No hardware here has a price yet. Set its price per hour below; prices belong to your tenant.";
  },
  charts(rows, answer, known) {
    const by = value("by_row", "variant");
    if (energy()) {
      /** @type {Reports.Make<typeof rows[number], Charts.BarRow>} */
      const make = (row, name) => ({
        ...look(row, otherThan(by), known),
        length: row.wh_per_1000_images,
        value: wattHours(row),
        tip: `${name}\n${wattHours(row)} per 1000 images`,
      });
      return [[null, bars("Energy per 1000 images", grouped(rows, answer, known, by, make), "Wh per 1000 images")]];
    }
    const currencies = [...new Set(rows.map((row) => row.currency))];
    /** @type {Reports.Make<typeof rows[number], Charts.BarRow>} */
    const make = (row, name) => ({
      ...look(row, otherThan(by), known),
      length: row.cost_per_1000_images,
      value: perThousand(row),
      tip: `${name}\n${perThousand(row)} per 1000 images`,
    });
    return currencies.map((currency) => [
      currencies.length > 1 ? currency : null,
      bars(
        `Cost per 1000 images in ${currency}`,
        grouped(
          rows.filter((row) => row.currency === currency),
          answer,
          known,
          by,
          make,
        ),
        `${currency} per 1000 images`,
      ),
    ]);
  },
  caption: "Cost",
  get main() {
    return [energy() ? "Energy per 1000 images" : "Cost per 1000 images"];
  },
  columns: () => [
    number("Images", "n", whole),
    number("Device hours", "hours", decimals(4)),
    { title: "Price per hour", number: true, value: (row) => money(row.price_per_hour, row.currency) },
    { title: "Cost", number: true, value: (row) => money(row.cost, row.currency) },
    { title: "Cost per 1000 images", number: true, value: perThousand },
    { title: "Energy", number: true, value: (row) => money(row.energy_wh, "Wh") },
    { title: "Energy per 1000 images", number: true, value: wattHours },
  ],
  more: (answer, known, changed) => prices(answer, known, changed),
};

/** @type {(answer: Api.Report, known: Reports.Known, changed: Reports.Changed) => HTMLElement} */
function prices(answer, known, changed) {
  const rows = /** @type {Api.CostRow[]} */ (answer.rows);
  const set = new Map(rows.map((row) => [row.hardware_id, row]));
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Price per hour"),
    h("p", { class: "soft" }, "Prices belong to your tenant and apply to all past and future runs."),
    h(
      "ul",
      { class: "prices" },
      known.hardwareIds.map((id) => h("li", {}, form(id, known.hardware.get(id), set.get(id), changed))),
    ),
  );
}

/**
 * @param {string} id
 * @param {string | undefined} name
 * @param {Api.CostRow | undefined} row
 * @param {Reports.Changed} changed
 */
function form(id, name, row, changed) {
  const amount = h("input", {
    id: `price-${id}`,
    type: "number",
    min: 0,
    step: "any",
    inputmode: "decimal",
    required: true,
    value: row?.price_per_hour,
    "aria-describedby": `said-${id}`,
  });
  const currency = h("input", {
    id: `currency-${id}`,
    type: "text",
    size: 4,
    maxlength: 3,
    required: true,
    value: row?.currency ?? "USD",
    "aria-describedby": `said-${id}`,
  });
  const said = h("span", { id: `said-${id}`, role: "status" });
  /** @param {Event} event */
  const save = async (event) => {
    event.preventDefault();
    said.replaceChildren();
    try {
      await put(`/v1/hardware/${id}/price`, {
        per_hour: amount.value === "" ? null : Number(amount.value),
        currency: currency.value.trim().toUpperCase(),
      });
      said.className = "good";
      said.replaceChildren("Saved");
      changed();
    } catch (error) {
      said.className = "bad";
      said.replaceChildren(error.message);
      amount.focus();
    }
  };
  return h(
    "form",
    { class: "price", novalidate: true, onsubmit: save },
    h("strong", {}, name),
    h("label", { class: "field" }, "Per hour", amount),
    h("label", { class: "field" }, "Currency", currency),
    h("button", { type: "submit" }, row?.price_per_hour === null || !row ? "Set" : "Change"),
    said,
  );
}
