// The table of one page of jobs, with a check mark for each.

import { h, newJob, notice } from "/dashboard/static/dom.js";
import { addressOf, hasCursor, isFiltered, sortAsked } from "/dashboard/static/jobs/address.js";
import { COLUMNS, jobRow } from "/dashboard/static/jobs/row.js";

/** @typedef {{ has: (id: string) => boolean, set: (ids: string[], on: boolean) => void }} Choice */

// A column's title; a link that sorts by it, or turns the order round.
/** @param {typeof COLUMNS[number]} column */
function titleOf([title, sort, largestFirst]) {
  if (!sort) return h("th", { scope: "col" }, title);
  const asked = sortAsked();
  const down = asked === `-${sort}`;
  const active = down || asked === sort;
  const next = active ? (down ? sort : `-${sort}`) : `${largestFirst ? "-" : ""}${sort}`;
  const order = active ? (down ? "descending" : "ascending") : null;
  const arrow = h("span", { "aria-hidden": "true" }, active ? (down ? " ↓" : " ↑") : " ↕");
  return h("th", { scope: "col", "aria-sort": order }, h("a", { href: addressOf({ sort: next }) }, title, arrow));
}

function nothing() {
  if (!isFiltered())
    return notice(
      "No jobs yet",
      "A job segments the images of a dataset with one or several variants. “samfleet segment” and POST /v1/jobs submit jobs too.",
      newJob(),
    );
  const all = h("p", {}, h("a", { href: "/dashboard/jobs" }, "All jobs"));
  return notice("No job matches", "Remove a filter to see more.", all);
}

/** @param {string | null} next */
function pages(next) {
  const first = hasCursor() ? h("a", { href: addressOf({}) }, "First page") : null;
  const following = next ? h("a", { href: addressOf({ cursor: next }) }, "Next page") : null;
  return h("nav", { class: "pages", "aria-label": "Pages of the list" }, first, following);
}

/** @type {(page: Api.JobPage, total: string, choice: Choice) => { elements: HTMLElement[], rows: ReturnType<typeof jobRow>[], showChoice: () => void }} */
export function jobsList(page, total, choice) {
  const rows = page.items.map((job) => jobRow(job, choice.has(job.id), (one, on) => choice.set([one.id], on)));
  const ids = page.items.map((job) => job.id);
  const whole = h("input", { type: "checkbox", "aria-label": "Select all jobs of this page" });
  whole.addEventListener("change", () => choice.set(ids, whole.checked));
  const titles = h("tr", {}, h("td", {}, whole), COLUMNS.map(titleOf), h("td"));
  const caption = h("caption", {}, total);
  const table = h("table", { class: "jobs-table" }, caption, h("thead", {}, titles), h("tbody", {}, rows));
  const region = { class: "scroll jobs-scroll", tabindex: 0, role: "region", "aria-label": "List of jobs" };
  const showChoice = () => {
    for (const row of rows) row.box.checked = choice.has(row.job.id);
    const checked = rows.filter((row) => row.box.checked).length;
    whole.checked = rows.length > 0 && checked === rows.length;
    whole.indeterminate = checked > 0 && checked < rows.length;
  };
  showChoice();
  return { elements: [rows.length ? h("div", region, table) : nothing(), pages(page.next)], rows, showChoice };
}
