// The list of jobs. Its filters are in the address, under the names of the API's parameters.

import { addressWith, filter, get } from "/dashboard/static/api.js";
import { h, notice, table } from "/dashboard/static/dom.js";
import { count, duration, moment, nameOf, rate } from "/dashboard/static/format.js";
import { chips } from "/dashboard/static/labels.js";
import { inWords, STATES, stateOf } from "/dashboard/static/states.js";

// Time from the first claim to the end, or until now.
/** @param {Api.Job} job */
function took(job) {
  if (!job.started_at) return "–";
  const until = job.finished_at ? Date.parse(job.finished_at) : Date.now();
  return duration(Math.max(0, until - Date.parse(job.started_at)) / 1000);
}

/** @param {Api.Job} job */
const nameWithLabels = (job) =>
  h("div", {}, h("a", { href: `/dashboard/jobs/${job.id}` }, nameOf(job)), chips(job.labels, withLabel));

/** @param {Api.JobPage} page */
function jobsTable(page) {
  /** @type {Dom.Column<Api.Job>[]} */
  const columns = [
    { title: "Job", value: nameWithLabels },
    { title: "State", value: stateOf },
    { title: "Dataset", value: (job) => job.dataset_name ?? "–" },
    { title: "Task", value: (job) => job.task_in_words },
    { title: "Variants", value: (job) => [...new Set(job.runs.map((run) => run.variant))].join(", ") },
    {
      title: "Done",
      number: true,
      value: ({ counts }) => `${count(counts.succeeded + counts.failed)} of ${count(counts.total)}`,
    },
    { title: "Failed", number: true, value: (job) => count(job.counts.failed) },
    {
      title: "Rate",
      number: true,
      value: (job) => (job.images_per_second === null ? "–" : rate(job.images_per_second)),
    },
    { title: "Took", number: true, value: took },
    { title: "Submitted", number: true, value: (job) => moment(job.created_at) },
  ];
  return table("Jobs, newest first", columns, page.items);
}

const labelsAsked = () => new URLSearchParams(location.search).getAll("label");

// Return the address of this list with other labels, on its first page.
/** @param {string[]} labels */
function addressOf(labels) {
  const query = new URLSearchParams(location.search);
  query.delete("cursor");
  query.delete("label");
  for (const label of labels) query.append("label", label);
  return location.pathname + (query.size ? `?${query}` : "");
}

/** @param {string} label */
const withLabel = (label) => addressOf([...new Set([...labelsAsked(), label])]);

// Links that remove a label from the filters.
function askedChips() {
  const asked = labelsAsked();
  /** @param {string} label */
  const chip = (label) =>
    h(
      "li",
      {},
      h(
        "a",
        {
          class: "chip",
          href: addressOf(asked.filter((one) => one !== label)),
          "aria-label": `Remove the label ${label}`,
        },
        `${label.replace(":", ": ")} \u00d7`,
      ),
    );
  return asked.length ? h("ul", { class: "chips", "aria-label": "Chosen labels" }, asked.map(chip)) : null;
}

function filters() {
  const state = filter("state");
  const options = ["", ...STATES].map((name) =>
    h("option", { value: name, selected: name === state }, inWords(name) || "any"),
  );
  /** @param {Dom.FieldEvent<HTMLSelectElement>} event */
  const choose = (event) => location.assign(addressWith({ state: event.target.value, cursor: "" }));
  const search = h("input", { type: "search", value: filter("q"), maxlength: 200 });
  /** @param {Event} event */
  const find = (event) => {
    event.preventDefault();
    location.assign(addressWith({ q: search.value.trim(), cursor: "" }));
  };
  return h(
    "form",
    { class: "filters", role: "search", onsubmit: find },
    h("label", {}, "State", h("select", { onchange: choose }, options)),
    h("label", {}, "Name or notes", search),
    h("button", {}, "Search"),
    askedChips(),
  );
}

/** @param {HTMLElement} section */
export async function showJobs(section) {
  const query = new URLSearchParams({ limit: "25" });
  for (const name of ["state", "q", "cursor"]) if (filter(name)) query.set(name, filter(name));
  for (const label of labelsAsked()) query.append("label", label);
  /** @type {Api.JobPage} */
  const page = await get(`/v1/jobs?${query}`);
  const filtered = filter("state") || filter("q") || labelsAsked().length;
  const list = page.items.length
    ? jobsTable(page)
    : notice("No jobs", filtered ? "No job matches." : "No job has been submitted yet.");
  const older = page.next ? h("p", {}, h("a", { href: addressWith({ cursor: page.next }) }, "Older jobs")) : null;
  section.replaceChildren(filters(), list, ...(older ? [older] : []));
}
