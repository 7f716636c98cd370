// The newest jobs, with a link to the list of all.

import { get } from "/dashboard/static/api.js";
import { h, notice, table } from "/dashboard/static/dom.js";
import { count, nameOf } from "/dashboard/static/format.js";
import { took } from "/dashboard/static/jobs/row.js";
import { chips, listOf } from "/dashboard/static/labels.js";
import { stateOf } from "/dashboard/static/states.js";
import { timeOf } from "/dashboard/static/times.js";

const SHOWN = 5;
export const LIST = "/dashboard/jobs";

/** @param {Api.Job} job */
const named = (job) => h("div", {}, h("a", { href: `${LIST}/${job.id}` }, nameOf(job)), chips(job.labels, listOf));

/** @type {Dom.Column<Api.Job>[]} */
const COLUMNS = [
  { title: "Job", value: named },
  { title: "State", value: stateOf },
  { title: "Dataset", value: (job) => job.dataset_name ?? "–" },
  { title: "Task", value: (job) => job.task_in_words },
  {
    title: "Done",
    number: true,
    value: ({ counts }) => `${count(counts.succeeded + counts.failed)} of ${count(counts.total)}`,
  },
  { title: "Failed", number: true, value: (job) => count(job.counts.failed) },
  { title: "Took", number: true, value: took },
  { title: "Submitted", number: true, value: (job) => timeOf(job.created_at) },
];

/** @param {HTMLElement} section */
export async function showNewest(section) {
  /** @type {Api.JobPage} */
  const { items, next } = await get(`/v1/jobs?limit=${SHOWN}`);
  if (!items.length) return section.replaceChildren(notice("No jobs", "No job has been submitted yet."));
  const all = h(
    "p",
    {},
    h("a", { href: LIST }, next ? "All jobs: search, sort, cancel, retry, export, delete" : "All jobs"),
  );
  section.replaceChildren(table("Jobs, newest first", COLUMNS, items), all);
}
