// The survey's tables over what was measured here, each with the published figures apart from it.

import { get } from "/dashboard/static/api.js";
import { bars } from "/dashboard/static/charts/bars.js";
import { failure, h, notice, table } from "/dashboard/static/dom.js";
import { milliseconds, timeUnit } from "/dashboard/static/format.js";
import { filtersOnly } from "/dashboard/static/reports/address.js";
import { closePickers, filters } from "/dashboard/static/reports/filters.js";
import { grouped, look } from "/dashboard/static/reports/identity.js";
import { readKnown } from "/dashboard/static/reports/known.js";
import { significant } from "/dashboard/static/reports/units.js";

const OWN = ["dataset_id", "sample_of"]; // parameters of this report only; `samfleet survey report` gives them
const HIDDEN = ["hardware_id", "parameters", "high_ms", "high"];
const CONSTANT = ["site", "code_version", "dataset", "precision", "hardware", "weights"]; // named once if all rows share them
/** @type {Record<string, string>} */
const TITLES = {
  n: "Images",
  p50_ms: "Median ms",
  low_ms: "95 % interval",
  low: "95 % interval",
  best_variant: "Compared with",
  best_precision: "Its precision",
  p_value: "p",
  p_corrected: "p, corrected",
  run_spread: "Spread of runs",
  other_load: "Load of others",
  task_in_words: "Task",
  runs_evaluated: "Runs",
  instances: "Objects",
  code_version: "Code",
  parameters_m: "Parameters (M)",
  published_parameters_m: "Published (M)",
  encoder_gflops: "Encoder GFLOPs",
  box_gflops: "One box GFLOPs",
  published_gflops: "Published GFLOPs",
  published_source: "Source",
  of_sets: "Of",
  lvis_apr: "LVIS AP, rare",
  lvis_apc: "LVIS AP, common",
  lvis_apf: "LVIS AP, frequent",
};
/** @type {[("p50_ms" | "lvis_ap" | "miou" | "ap" | "ar_1000"), string][]} */
const FIGURES = [
  ["p50_ms", "ms"],
  ["lvis_ap", "LVIS AP in %"],
  ["miou", "mIoU in %"],
  ["ap", "AP in %"],
  ["ar_1000", "AR of 1000 masks in %"],
];
for (const [metric, words] of [
  ["miou", "mIoU"],
  ["ap", "AP"],
  ["ap50", "AP50"],
  ["ap75", "AP75"],
  ["lvis_ap", "LVIS AP"],
  ["lvis_ap50", "LVIS AP50"],
  ["lvis_ap75", "LVIS AP75"],
  ["ar_10", "AR of 10"],
  ["ar_100", "AR of 100"],
  ["ar_1000", "AR of 1000"],
]) {
  TITLES[metric] = words;
  for (const size of ["small", "medium", "large"]) TITLES[`${metric}_${size}`] = `${words}, ${size}`;
}
const SHARES = ["run_spread", "other_load"];

/** @param {string} name */
const title = (name) => TITLES[name] ?? name.charAt(0).toUpperCase() + name.slice(1).replaceAll("_", " ");

/** @type {(name: string, row: Record<string, unknown>) => string} */
function cell(name, row) {
  const value = row[name];
  if (name === "low_ms" || name === "low")
    return value === null ? "–" : `${shown(value)} to ${shown(row[name.replace("low", "high")])}`;
  if (SHARES.includes(name) && typeof value === "number") return `${significant(value * 100)} %`;
  return shown(value);
}

/** @param {unknown} value */
const shown = (value) => (typeof value === "number" ? significant(value) : String(value ?? "–"));

/** @type {(caption: string, columns: string[], rows: Record<string, unknown>[]) => HTMLElement} */
function tableOf(caption, columns, rows) {
  const filled = columns.filter((name) => !HIDDEN.includes(name) && rows.some((row) => row[name] !== null));
  const same = filled.filter((name) => CONSTANT.includes(name) && new Set(rows.map((row) => row[name])).size === 1);
  const common = same.map((name) => `${title(name).toLowerCase()} ${rows[0][name]}`).join(", ");
  const cells = filled
    .filter((name) => !same.includes(name))
    .map((name) => ({
      title: title(name),
      number: rows.some((row) => typeof row[name] === "number"),
      value: (/** @type {Record<string, unknown>} */ row) => cell(name, row),
    }));
  return table(common ? `${caption} · all with ${common}` : caption, cells, rows, "dense");
}

/** @type {(section: Api.TableView, known: Reports.Known) => HTMLElement[]} */
function chart(section, known) {
  const found = FIGURES.find(([name]) => section.columns.includes(name));
  if (!found) return [];
  const [figure, words] = found;
  const rows = section.rows.filter((row) => typeof row[figure] === "number");
  const timed = figure === "p50_ms",
    { name: time, factor } = timeUnit(rows.map((row) => Number(row.p50_ms)));
  const unit = timed ? `${time} per image` : words;
  /** @param {Api.SurveyRow} row */
  const value = (row) => (timed ? milliseconds(Number(row[figure])) : significant(Number(row[figure])));
  /** @type {(row: Api.SurveyRow, name: string) => Omit<Charts.BarRow, "name">} */
  const make = (row, name) => ({
    ...look(row, "hardware", known),
    length: Number(row[figure]) * (timed ? factor : 1),
    value: value(row),
    tip: `${name}\n${timed ? value(row) : `${value(row)} ${words}`}${row.n ? `, ${row.n === 1 ? "one image" : `${row.n} images`}` : ""}`,
  });
  const answer = { rows, parameters: section.parameters };
  return rows.length ? [bars(section.title, grouped(rows, answer, known, "variant", make), unit)] : [];
}

/** @type {(section: Api.TableView, known: Reports.Known) => HTMLElement} */
function card(section, known) {
  const name = section.number ? `Table ${section.number}: ${section.title}` : section.title;
  const measured = section.rows.length
    ? [...chart(section, known), tableOf(`${name}: measured`, section.columns, section.rows)]
    : [h("p", { class: "soft" }, "Nothing measured.")];
  const published =
    section.published_rows.length && section.key !== "size"
      ? h(
          "details",
          {},
          h("summary", {}, "Published figures"),
          tableOf(`${name}: published`, section.published_columns, section.published_rows),
        )
      : null;
  return h(
    "section",
    { class: "card", id: section.key },
    h("h2", {}, name),
    h("p", { class: "soft" }, section.lead),
    ...measured,
    published,
  );
}

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "Survey · samfleet";
  const results = h("div", { class: "results" });
  const known = await readKnown();
  const bar = h("div");
  const showFilters = () =>
    bar.replaceChildren(
      filters(known, (redrawn) => {
        if (redrawn) showFilters();
        renew(results, known);
      }),
    );
  const lead =
    "Tables of “On Efficient Variants of Segment Anything Model: A Survey” over what was measured here. Published figures are from other hardware and are never averaged with measured ones.";
  const command = notice(
    "Fill these tables",
    "A plan measures all of them, one job at a time.",
    h("pre", {}, h("code", {}, "samfleet survey run --plan small --images photographs --annotations instances.json")),
  );
  main.replaceChildren(
    h("h1", {}, "Survey"),
    h("p", { class: "lead" }, lead),
    ...(known.any ? [bar] : [command]),
    results,
  );
  showFilters();
  document.addEventListener("pointerdown", closePickers);
  addEventListener("popstate", () => {
    showFilters();
    renew(results, known);
  });
  await renew(results, known);
}

let turn = 0;

// Responses may arrive out of order: show only the response to the latest request.
/** @type {(results: HTMLElement, known: Reports.Known) => Promise<void>} */
async function renew(results, known) {
  const mine = ++turn;
  const query = filtersOnly();
  for (const name of ["stage", "batch_size"]) query.delete(name);
  for (const [name, value] of new URLSearchParams(location.search)) if (OWN.includes(name)) query.append(name, value);
  results.setAttribute("aria-busy", "true");
  try {
    /** @type {Api.Survey} */
    const survey = await get(`/v1/reports/survey${query.size ? `?${query}` : ""}`);
    if (mine === turn) results.replaceChildren(...survey.tables.map((section) => card(section, known)));
  } catch (error) {
    if (mine === turn && error.status !== 401) results.replaceChildren(failure(error));
  } finally {
    if (mine === turn) results.removeAttribute("aria-busy");
  }
}
