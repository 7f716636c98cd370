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

const CODE = "Code";
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
  const [first, rest] = [true, false].map((wanted) => measured.filter(({ title }) => main.includes(title) === wanted));
  const columns = phone.matches
    ? [stacked(name, others), ...first, ...rest, task]
    : [name, ...others, ...(last.length ? [] : [task]), ...measured, ...last];
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
  if (varies(rows, "code_version")) columns.push({ title: CODE, value: (row) => row.code_version });
  return columns;
}

// On a phone the name of a row has all that identifies it, so that the figures stand beside it.
/** @type {(name: Column, others: Column[]) => Column} */
const stacked = (name, others) => ({
  title: name.title,
  value: (row) => {
    const words = others.map((one) => (one.title === CODE ? `code ${row.code_version}` : one.value(row)));
    return h("span", {}, ...breakable(String(name.value(row))), h("span", { class: "soft small" }, words.join(" · ")));
  },
});

// Names of variants are long words with underscores; lines break after those.
/** @param {string} name */
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, index) => (index ? [h("wbr"), part] : [part]));

const MOST_PARTS = 3; // of a task; the parameters have them all

/** @param {string} task */
function shortened(task) {
  const parts = task.split(", ");
  if (parts.length <= MOST_PARTS) return task;
  return `${parts.slice(0, MOST_PARTS - 1).join(", ")} and ${parts.length - MOST_PARTS + 1} more settings`;
}

// The task in words opens the parameters; the link's title has all words and the digest.
/** @type {(differs: (row: Api.ReportRow) => string) => Column} */
const taskColumn = (differs) => ({
  title: "Task",
  value: (row) =>
    h(
      "span",
      { class: "task" },
      h(
        "a",
        { href: `#parameters-${row.parameters}`, title: `${row.task_in_words} (${row.parameters})` },
        shortened(row.task_in_words),
      ),
      differs(row) ? h("span", { class: "soft small" }, differs(row)) : null,
    ),
});
