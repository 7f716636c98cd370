// All jobs of the tenant: searched, sorted, edited, and acted on, one or many. The address has the filters and the order.

import { get } from "/dashboard/static/api.js";
import { failure, h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { parametersOf } from "/dashboard/static/jobs/address.js";
import { filters } from "/dashboard/static/jobs/filters.js";
import { jobsList } from "/dashboard/static/jobs/list.js";
import { Selection } from "/dashboard/static/jobs/selection.js";

const SHOWN = 50;
const RENEWED_EVERY_MS = 5000;

/** @param {Api.JobCount} found */
const sum = ({ count: number, is_exact: exact }) =>
  `${exact ? "" : "More than "}${count(number)} ${number === 1 ? "job" : "jobs"}`;

/** @type {() => Promise<Api.JobPage>} */
const fetchPage = () => get(`/v1/jobs?limit=${SHOWN}&${parametersOf({ paged: true })}`);
/** @type {() => Promise<Api.JobCount>} */
const fetchCount = () => get(`/v1/job-count?${parametersOf({ paged: false })}`);

// The list below its filters.
class Board {
  #bar = h("div");
  #list = h("section", { id: "jobs", "aria-label": "Jobs", "aria-busy": "true" });
  #stale = h("p", { class: "bad", role: "status" });
  /** @type {ReturnType<typeof jobsList> | null} */
  #shown = null;
  #loads = 0;
  #chosen = new Selection(
    () => this.#shown?.showChoice(),
    () => this.load(),
  );
  elements = [this.#stale, this.#bar, this.#chosen.element, this.#list];

  // Show the jobs of the address.
  async load() {
    const mine = ++this.#loads;
    this.#list.setAttribute("aria-busy", "true");
    this.#bar.replaceChildren(filters((address) => this.go(address)));
    try {
      const [page, found] = await Promise.all([fetchPage(), fetchCount()]);
      if (mine !== this.#loads) return;
      this.#shown = jobsList(page, sum(found), this.#chosen);
      this.#list.replaceChildren(...this.#shown.elements);
      const ids = page.items.map((job) => job.id);
      this.#chosen.counted(found, ids);
    } catch (error) {
      if (mine === this.#loads) this.#list.replaceChildren(failure(error));
    }
    this.#list.removeAttribute("aria-busy");
  }

  // Bring the shown rows up to date; jobs that were submitted since appear with the next load.
  async renew() {
    const rows = this.#shown?.rows ?? [];
    if (document.hidden || !rows.some((row) => !row.job.finished_at)) return;
    const problem = await fetchPage().then(
      (page) => {
        for (const row of rows) row.update(page.items.find((job) => job.id === row.job.id) ?? row.job);
        return "";
      },
      (error) => `This list is out of date. ${error.message}`,
    );
    if (this.#stale.textContent !== problem) this.#stale.replaceChildren(problem);
  }

  /** @param {string} address */
  go(address) {
    history.pushState(null, "", address);
    this.reset();
  }

  reset() {
    this.#chosen.clear();
    this.load();
  }
}

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "Jobs · samfleet";
  const board = new Board();
  main.addEventListener("click", (event) => {
    const link = event.target instanceof Element && event.target.closest("a");
    if (!link || link.pathname !== location.pathname || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    board.go(link.pathname + link.search);
  });
  addEventListener("popstate", () => board.reset());
  main.replaceChildren(h("h1", {}, "Jobs"), ...board.elements);
  await board.load();
  setInterval(() => board.renew(), RENEWED_EVERY_MS);
}
