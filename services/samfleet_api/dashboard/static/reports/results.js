// Parts of every report around its chart: links and CSV file, ways to reproduce it, its table and its parameter digests.

import { facts, h, notice, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { commandOf, csvOf, curlOf } from "/dashboard/static/reports/address.js";
import { differences, flatten, keysOf, labelOf, shown } from "/dashboard/static/reports/identity.js";

/** @typedef {"site" | "code_version"} Origin */

/** @type {Record<Reports.Dimension, string>} */
const TITLES = {
  variant: "Variant",
  hardware: "Hardware",
  stage: "Stage",
  batch_size: "Batch",
  precision: "Precision",
  job: "Job",
  day: "Day (UTC)",
  pool: "Pool",
  dataset: "Dataset",
};

/** @type {(text: () => string, name: string) => HTMLElement[]} */
function copyButton(text, name) {
  const said = h("span", { class: "soft", role: "status" });
  const copy = async () => {
    const done = await (navigator.clipboard?.writeText(text()) ?? Promise.reject()).then(
      () => "Copied",
      () => "Could not copy; select the text and copy it",
    );
    said.replaceChildren(done);
    setTimeout(() => said.replaceChildren(), 4000);
  };
  return [said, h("button", { type: "button", onclick: copy }, name)];
}

/** @type {(title: string, text: string) => HTMLElement} */
const line = (title, text) =>
  h(
    "div",
    { class: "again" },
    h("h3", {}, title),
    h("pre", { tabindex: "0", role: "region", "aria-label": title }, h("code", {}, text)),
    h("div", {}, ...copyButton(() => text, "Copy")),
  );

/** @type {(title: string, report: string, query: URLSearchParams) => HTMLElement} */
export function toolbar(title, report, query) {
  return h(
    "div",
    { class: "tools" },
    h("h2", {}, title),
    ...copyButton(() => location.href, "Copy link"),
    h("a", { class: "button", href: csvOf(report, query), download: `${report}.csv` }, "Download CSV"),
  );
}

/** @type {(report: string, query: URLSearchParams) => HTMLElement} */
export function again(report, query) {
  return h(
    "details",
    { class: "card" },
    h("summary", {}, "Reproduce this report: link, API request, command"),
    line("This page", location.href),
    line("API request", curlOf(report, query)),
    line("Command", commandOf(report, query)),
  );
}

// Table of the rows: first the columns that distinguish them, then those of the report. The caption has what all rows share.
/**
 * @param {string} caption
 * @param {Api.Report} answer
 * @param {Reports.Known} known
 * @param {Dom.Column<Api.ReportRow>[]} measured
 */
export function rowsTable(caption, answer, known, measured) {
  const { rows, parameters } = answer,
    dimensions = keysOf(rows);
  const differs = differences(rows, parameters, dimensions);
  const constant = /** @type {[Origin, string][]} */ ([
    ["site", "site"],
    ["code_version", "code"],
  ]).filter(([name]) => name in rows[0] && new Set(rows.map((row) => row[name])).size === 1);
  const varying = /** @type {[Origin, string][]} */ ([
    ["site", "Site"],
    ["code_version", "Code"],
  ]).filter(([name]) => name in rows[0] && !constant.some(([other]) => other === name));
  /** @param {Api.ReportRow} row */
  const digest = (row) =>
    h(
      "span",
      {},
      h("a", { href: `#parameters-${row.parameters}` }, row.parameters),
      differs(row) ? h("span", { class: "soft small" }, differs(row)) : null,
    );
  const columns = [
    ...dimensions.map((name) => ({
      title: TITLES[name],
      value: (/** @type {Api.ReportRow} */ row) => labelOf(row, name, known),
    })),
    ...varying.map(([name, title]) => ({ title, value: (/** @type {Api.ReportRow} */ row) => row[name] })),
    ...measured,
    { title: "Parameters", value: digest },
  ];
  const common = constant.map(([name, title]) => `${title} ${rows[0][name]}`).join(", ");
  return table(
    `${caption} · ${rows.length === 1 ? "1 row" : `${count(rows.length)} rows`}${common ? ` · all with ${common}` : ""}`,
    columns,
    rows,
    "dense",
  );
}

/** @param {Api.Report} answer */
export function parametersOf(answer) {
  const all = Object.entries(answer.parameters);
  if (!all.length) return null;
  /** @param {[string, Api.Parameters]} entry */
  const one = ([digest, parameters]) =>
    h(
      "details",
      { class: "parameters", id: `parameters-${digest}` },
      h("summary", {}, h("code", {}, digest), ` ${short(parameters)}`),
      facts(flatten(parameters).map(([path, value]) => [path, shown(value)])),
    );
  return h(
    "section",
    { class: "card" },
    h("h2", {}, "Parameters"),
    h("p", { class: "soft" }, "Runs with different parameters are never averaged: each digest has its own rows."),
    all.map(one),
  );
}

/** @param {Api.Parameters} parameters */
function short(parameters) {
  const { kind, prompt, points_per_side: side, sampler } = parameters.task ?? {};
  return [kind, prompt, side && `${side} points per side`, sampler !== "grid" && sampler].filter(Boolean).join(", ");
}

// Open the parameters that the URL's fragment names: digests in the table link to them.
export function openParameters() {
  const named = location.hash.startsWith("#parameters-") && document.getElementById(location.hash.slice(1));
  const target = /** @type {HTMLDetailsElement | false | null} */ (named);
  if (!target) return;
  target.open = true;
  target.scrollIntoView({ block: "center" });
}

export function nothingMeasured() {
  return notice(
    "Nothing measured yet",
    "Reports need recorded images. Submit a job and return when its progress bar has moved.",
    h("pre", {}, h("code", {}, "samfleet segment ~/photos --variant mobile_sam --out out")),
    h("p", {}, h("a", { href: "/dashboard/" }, "Go to the overview")),
  );
}
