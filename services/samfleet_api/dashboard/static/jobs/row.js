// One row of the list of jobs. Updates replace only the cells that change, so a row keeps its focus and its check mark.

import { h } from "/dashboard/static/dom.js";
import { count, duration, nameOf } from "/dashboard/static/format.js";
import { addressOf, labelsAsked } from "/dashboard/static/jobs/address.js";
import { editJob } from "/dashboard/static/jobs/edit.js";
import { chips } from "/dashboard/static/labels.js";
import { stateOf } from "/dashboard/static/states.js";
import { timeOf } from "/dashboard/static/times.js";

/** @type {[title: string, sort: string, largestFirst: boolean][]} */
export const COLUMNS = [
  ["Job", "name", false],
  ["State", "state", false],
  ["Dataset and task", "", false],
  ["Variants", "", false],
  ["Images", "", false],
  ["Took", "duration", true],
  ["Submitted", "created_at", true],
  ["Ended", "finished_at", true],
];

// Time from the first claim to the end, or until now.
/** @param {Api.Job} job */
export function took(job) {
  if (!job.started_at) return "–";
  const until = job.finished_at ? Date.parse(job.finished_at) : Date.now();
  return duration(Math.max(0, until - Date.parse(job.started_at)) / 1000);
}

/** @param {string} label */
const withLabel = (label) => addressOf({ label: [...new Set([...labelsAsked(), label])] });

/** @param {Api.Job} job */
function named(job) {
  const notes = job.notes && h("p", { class: "soft small job-notes", title: job.notes }, job.notes);
  return [h("a", { href: `/dashboard/jobs/${job.id}` }, nameOf(job)), chips(job.labels, withLabel), notes];
}

/** @param {Api.Job} job */
function images(job) {
  const { total, succeeded, failed } = job.counts;
  const bar = h("progress", { max: 1, value: job.progress, "aria-label": `Progress of ${nameOf(job)}` });
  const done = `${count(succeeded + failed)} of ${count(total)}`;
  const bad = failed ? h("span", { class: "bad" }, ` · ${count(failed)} failed`) : null;
  return [job.finished_at ? null : bar, done, bad];
}

/** @param {Api.Job} job */
function state(job) {
  const why = job.stalled ?? job.error;
  const tone = job.error ? "bad" : "wait";
  return [
    stateOf(job),
    why && h("p", { class: `small ${tone} job-notes`, title: `${why.message} (${why.code})` }, why.message),
  ];
}

/** @type {((job: Api.Job) => (Dom.Child)[])[]} */
const CELLS = [
  state,
  (job) => [job.dataset_name ?? "–", h("p", { class: "soft small" }, job.task_in_words)],
  (job) => [[...new Set(job.runs.map((run) => run.variant))].join(", ")],
  images,
  (job) => [took(job)],
  (job) => [timeOf(job.created_at)],
  (job) => [timeOf(job.finished_at) ?? "–"],
];

/** @typedef {HTMLTableRowElement & { job: Api.Job, box: HTMLInputElement, update: (now: Api.Job) => void }} JobRow */

/** @type {(first: Api.Job, checked: boolean, onCheck: (job: Api.Job, checked: boolean) => void) => JobRow} */
export function jobRow(first, checked, onCheck) {
  /** @type {HTMLInputElement} */
  const box = h("input", { type: "checkbox", onchange: () => onCheck(row.job, box.checked) });
  box.checked = checked;
  /** @type {HTMLButtonElement} */
  const edit = h("button", { type: "button", onclick: () => editJob(row.job, row.update) }, "Edit");
  const name = h("th", { scope: "row", "data-title": COLUMNS[0][0] });
  const cells = CELLS.map((_, index) => h("td", { "data-title": COLUMNS[index + 1][0] }));
  const tr = h("tr", {}, h("td", { class: "job-check" }, box), name, cells, h("td", {}, edit));
  /** @param {Api.Job} now */
  const update = (now) => {
    row.job = now;
    box.setAttribute("aria-label", `Select ${nameOf(now)}`);
    edit.setAttribute("aria-label", `Edit ${nameOf(now)}`);
    fill(name, named(now));
    cells.forEach((cell, index) => {
      fill(cell, CELLS[index](now));
    });
  };
  /** @type {JobRow} */
  const row = Object.assign(tr, { job: first, box, update });
  update(first);
  return row;
}

// Replace the contents of a cell if they differ, so that a screen reader and the focus are not disturbed.
/** @type {(cell: HTMLElement, children: Dom.Child[]) => void} */
function fill(cell, children) {
  const made = [...h("td", {}, children).childNodes];
  const same =
    made.length === cell.childNodes.length && made.every((node, at) => node.isEqualNode(cell.childNodes[at]));
  if (!same) cell.replaceChildren(...made);
}
