// Parts of every report around its chart: links, the CSV file, and ways to reproduce it.

import { h, newJob, notice } from "/dashboard/static/dom.js";
import { reportOf } from "/dashboard/static/job/actions.js";
import { commandOf, csvOf, curlOf, values } from "/dashboard/static/reports/address.js";

const MOST_JOBS = 20; // the newest; others are chosen by the filter

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

// A link to the report of a job as one HTML file; with a choice if no single job is chosen.
/** @param {Reports.Known} known */
function shareJob(known) {
  const chosen = values("job");
  /** @type {(id: string, text: string, look: string) => HTMLElement} */
  const link = (id, text, look) => h("a", { class: look, href: reportOf(id), download: "" }, text);
  if (chosen.length === 1) return link(chosen[0], "Report of this job (HTML)", "button");
  const jobs = [...known.jobs].slice(0, MOST_JOBS);
  if (!jobs.length) return null;
  const list = h(
    "div",
    { class: "choices", role: "group", "aria-label": "Report of a job as HTML" },
    jobs.map(([id, name]) => link(id, name, "row")),
  );
  return h("details", { class: "picker", name: "picker" }, h("summary", {}, "Report of a job (HTML)"), list);
}

/** @type {(title: string, report: string, query: URLSearchParams, known: Reports.Known) => HTMLElement} */
export function toolbar(title, report, query, known) {
  return h(
    "div",
    { class: "tools" },
    h("h2", {}, title),
    ...copyButton(() => location.href, "Copy link"),
    shareJob(known),
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

export function nothingMeasured() {
  return notice(
    "Nothing measured yet",
    "Reports need recorded images. Submit a job here or with the command below, and return when its first images are done.",
    newJob(),
    h("pre", {}, h("code", {}, "samfleet segment ~/photos --variant mobile_sam --out out")),
  );
}
