// Reports: one page per report, all with the same filters. All choices are query parameters of the URL.

import { get } from "/dashboard/static/api.js";
import { failure, h, notice } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { asked, filtersOnly, reportName, requestOf } from "/dashboard/static/reports/address.js";
import { compare } from "/dashboard/static/reports/compare.js";
import { cost } from "/dashboard/static/reports/cost.js";
import { closePickers, filters } from "/dashboard/static/reports/filters.js";
import { readKnown } from "/dashboard/static/reports/known.js";
import { latency } from "/dashboard/static/reports/latency.js";
import { pareto } from "/dashboard/static/reports/pareto.js";
import { quality } from "/dashboard/static/reports/quality.js";
import { openParameters, parametersOf } from "/dashboard/static/reports/parameters.js";
import { again, nothingMeasured, toolbar } from "/dashboard/static/reports/results.js";
import { phone, rowsTable } from "/dashboard/static/reports/rows.js";
import { throughput } from "/dashboard/static/reports/throughput.js";
import { trend } from "/dashboard/static/reports/trend.js";

/** @type {Record<string, Reports.Definition<any, any>>} */
const REPORTS = { latency, throughput, quality, pareto, compare, cost, trend };
const MOST_ROWS = 60; // a chart with more rows is unreadable; the table has them all

/**
 * @typedef {object} Page
 * @property {string} name
 * @property {Reports.Definition<any, any>} report
 * @property {Reports.Known} known
 * @property {HTMLElement} controls
 * @property {HTMLElement} results
 * @property {HTMLElement} said
 * @property {number} [turn] number of the last request
 * @property {() => void} [redraw] draw the last response again
 * @property {string} [shown] query of the address that is shown
 */

/** @param {HTMLElement} main */
export async function show(main) {
  const name = reportName(),
    report = REPORTS[name];
  if (!report)
    return main.replaceChildren(notice("Report not found", `Reports are ${Object.keys(REPORTS).join(", ")}.`));
  document.title = `${report.title} · Reports · samfleet`;
  const bar = h("div"),
    controls = h("div", { class: "controls" }),
    results = h("div", { class: "results" }),
    said = h("p", { class: "visually-hidden", role: "status" });
  const status = h("p", { class: "loading", role: "status" }, "Loading…");
  main.replaceChildren(h("h1", {}, "Reports"), tabs(name), h("p", { class: "lead" }, report.lead), status);
  const known = await readKnown();
  if (!known.any) return status.replaceWith(nothingMeasured());
  /** @type {Page} */
  const page = { name, report, known, controls, results, said };
  const showFilters = () =>
    bar.replaceChildren(
      filters(known, (redrawn) => {
        if (redrawn) showFilters();
        renew(page);
      }),
    );
  status.replaceWith(bar, controls, said, results);
  showFilters();
  document.addEventListener("pointerdown", closePickers);
  phone.addEventListener("change", () => page.redraw?.());
  addEventListener("hashchange", openParameters);
  addEventListener("popstate", () => {
    if (page.shown === location.search) return; // only the fragment changed
    showFilters();
    renew(page);
  });
  centre(/** @type {HTMLElement} */ (main.querySelector(".tabs")));
  await renew(page);
  openParameters();
}

/** @param {string} current */
function tabs(current) {
  /** @param {[string, { title: string }]} entry */
  const link = ([name, { title }]) =>
    h("a", { href: `/dashboard/reports/${name}`, "aria-current": name === current ? "page" : null }, title);
  return h("nav", { class: "tabs", "aria-label": "Reports" }, Object.entries(REPORTS).map(link));
}

// Not `scrollIntoView`: it moves the starting point of keyboard navigation to the tab, past the skip link.
/** @param {HTMLElement} row */
function centre(row) {
  const current = /** @type {HTMLElement} */ (row.querySelector("[aria-current]"));
  row.scrollLeft = current.offsetLeft - row.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
}

// Pass the current filters on to the other reports.
function carryFilters() {
  const query = filtersOnly();
  query.delete("stage");
  /** @type {NodeListOf<HTMLAnchorElement>} */
  const links = document.querySelectorAll(".tabs a");
  for (const link of links) link.search = String(query);
}

// Responses may arrive out of order: show only the response to the latest request.
/** @param {Page} page */
async function renew(page) {
  const { report, known, controls, results } = page,
    changed = () => renew(page);
  const turn = (page.turn ?? 0) + 1;
  Object.assign(page, { turn, shown: location.search });
  carryFilters();
  keepingFocus(controls, () => controls.replaceChildren(...report.controls(known, changed)));
  const { own, instead, report: asksFor = page.name } = report.ask(known);
  if (instead) return results.replaceChildren(instead);
  const query = asked(asksFor, own);
  results.setAttribute("aria-busy", "true");
  try {
    /** @type {Api.Report} */
    const answer = await get(requestOf(asksFor, query));
    if (page.turn !== turn) return;
    page.redraw = () => keepingFocus(results, () => fill(page, asksFor, query, answer));
    page.redraw();
  } catch (error) {
    if (page.turn === turn && error.status !== 401) results.replaceChildren(refused(error));
  } finally {
    if (page.turn === turn) results.removeAttribute("aria-busy");
  }
}

/** @type {(page: Page, asksFor: string, query: URLSearchParams, answer: Api.Report) => void} */
function fill(page, asksFor, query, answer) {
  const { report, known, results, said } = page;
  const rows = answer.rows.filter(report.measured),
    shown = rows.slice(0, MOST_ROWS);
  said.replaceChildren(answer.rows.length === 1 ? "1 row" : `${count(answer.rows.length)} rows`);
  if (!answer.rows.length) return results.replaceChildren(nothingHere(report, answer));
  const drawn = rows.length ? report.charts(shown, answer, known) : [];
  const charts = drawn.flatMap(([title, chart]) =>
    [typeof title === "string" ? h("h3", {}, title) : title, chart].filter(Boolean),
  );
  const rest =
    rows.length > shown.length
      ? h(
          "p",
          { class: "soft" },
          `The chart shows the first ${MOST_ROWS} of ${count(rows.length)} rows. Filter to see the others.`,
        )
      : null;
  const card = h(
    "section",
    { class: "card" },
    toolbar(report.caption, asksFor, query, known),
    charts.length
      ? charts
      : notice("Nothing to plot yet", report.unmeasured ?? "None of these images has been measured."),
    rest ?? "",
  );
  const more = report.more?.(answer, known, () => renew(page));
  results.replaceChildren(
    ...[
      card,
      more,
      rowsTable(report, answer, known, report.columns(answer.rows)),
      parametersOf(answer),
      again(asksFor, query),
    ].filter((part) => part !== null && part !== undefined),
  );
}

// The API's note explains best why a comparison is empty.
/** @type {(report: Reports.Definition<any, any>, answer: Api.Report) => HTMLElement} */
function nothingHere(report, answer) {
  const filtered = filtersOnly().size > 0;
  const clear = h("p", {}, h("a", { href: location.pathname }, "Remove all filters"));
  return notice(
    report.nothing ?? "No rows",
    (answer.note && sentence(answer.note)) ??
      [filtered ? "No measurement matches these filters." : "", report.empty ?? ""].filter(Boolean).join(" "),
    ...(filtered ? [clear] : []),
  );
}

/** @param {string} text */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

/** @param {Error & { status: number }} error */
function refused(error) {
  const shown = failure(error);
  if (error.status !== 422) return shown;
  shown.querySelector("h2")?.replaceChildren("A filter in this URL is invalid");
  shown.querySelector("button")?.replaceWith(h("a", { href: location.pathname }, "Start without filters"));
  return shown;
}

// Keep the keyboard focus across a redraw: the new elements have the same ids.
/** @type {(container: HTMLElement, draw: () => void) => void} */
function keepingFocus(container, draw) {
  const focused = document.activeElement;
  const id = container.contains(focused) && focused?.id;
  draw();
  if (id) document.getElementById(id)?.focus();
}
