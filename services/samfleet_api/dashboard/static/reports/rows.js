// The table of a report's rows: what distinguishes them, then their figures. The caption has what all rows share.

import { h, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { differences, keysOf, labelOf, sharedWords, varies } from "/dashboard/static/reports/identity.js";

/** @typedef {Dom.Column<Api.ReportRow>} Column */

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

export const phone = matchMedia("(max-width: 40rem)");

/**
 * @param {{ caption: string, main?: string[] }} report
 * @param {Api.Report} answer
 * @param {Reports.Known} known
 * @param {Column[]} measured
 */
export function rowsTable({ caption, main = [] }, answer, known, measured) {
  const { rows, parameters } = answer;
  const [name, ...others] = identifying(rows, known);
  const task = taskColumn(differences(rows, parameters, [...keysOf(rows), "task_in_words", "code_version", "site"]));
  /** @type {Column[]} */
  const last = varies(rows, "task_in_words") ? [] : [task];
  if (!last.length) others.push(task);
  const [first, rest] = [true, false].map((wanted) => measured.filter(({ title }) => main.includes(title) === wanted));
  const columns = phone.matches
    ? [name, ...first, ...rest, ...others, ...last]
    : [name, ...others, ...measured, ...last];
  const number = rows.length === 1 ? "1 row" : `${count(rows.length)} rows`;
  return table([caption, number, sharedWords(rows, known)].filter(Boolean).join(" · "), columns, rows, "dense rows");
}

// Columns of the dimensions that vary; at least one, which names the rows.
/** @type {(rows: Api.ReportRow[], known: Reports.Known) => Column[]} */
function identifying(rows, known) {
  const dimensions = keysOf(rows);
  const shown = dimensions.filter((name, index) => !index || varies(rows, name));
  /** @type {Column[]} */
  const columns = shown.map((name) => ({ title: TITLES[name], value: (row) => labelOf(row, name, known) }));
  if (varies(rows, "site")) columns.push({ title: "Site", value: (row) => row.site });
  if (varies(rows, "code_version")) columns.push({ title: "Code", value: (row) => row.code_version });
  return columns;
}

// The task in words opens the parameters; the digest is only the link's title.
/** @type {(differs: (row: Api.ReportRow) => string) => Column} */
const taskColumn = (differs) => ({
  title: "Task",
  value: (row) =>
    h(
      "span",
      { class: "task" },
      h("a", { href: `#parameters-${row.parameters}`, title: `Parameters ${row.parameters}` }, row.task_in_words),
      differs(row) ? h("span", { class: "soft small" }, differs(row)) : null,
    ),
});
