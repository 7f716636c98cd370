import { followJob, get, hasEnded } from "/dashboard/static/api.js";
import { h, newJob, notice } from "/dashboard/static/dom.js";
import { count, duration, nameOf, rate } from "/dashboard/static/format.js";
import { LIST, showNewest } from "/dashboard/static/overview/jobs.js";
import { showPools } from "/dashboard/static/pools/card.js";
import { stateOf } from "/dashboard/static/states.js";

const ASKED_EVERY_MS = 5000;
const PUSHED = 2;
const FILTERS = ["state", "q", "label"];

// The card stays in the document while the job is followed. Updates replace only its contents, so it keeps the focus.
/** @param {Api.Job} job */
function progressCard(job) {
  const bar = h("progress", { max: 1, "aria-label": `Progress of ${nameOf(job)}` });
  const line = h("p", { class: "soft" });
  const state = h("span");
  const link = h("a", { href: `/dashboard/jobs/${job.id}` }, nameOf(job));
  const card = h("article", { class: "card" }, h("div", { class: "head" }, h("h3", {}, link), state), bar, line);
  /** @param {Api.Job} now */
  const update = (now) => {
    bar.value = now.progress;
    state.replaceChildren(stateOf(now));
    line.replaceChildren(progressLine(now));
  };
  update(job);
  return Object.assign(card, { update });
}

/** @param {Api.Job} job */
export function progressLine(job) {
  const { total, succeeded, failed, in_progress: computed } = job.counts;
  const speed = job.images_per_second,
    known = speed !== null;
  return [
    `${count(succeeded + failed)} of ${count(total)} images`,
    computed && !hasEnded(job) && `${count(computed)} more computed, not recorded yet`,
    failed && `${count(failed)} failed`,
    known && rate(speed),
    !known && !hasEnded(job) && job.state !== "paused" && "rate not known yet",
    job.eta_seconds !== null && `${duration(job.eta_seconds)} left`,
  ]
    .filter(Boolean)
    .join(" · ");
}

// A browser opens at most six connections to one server across all tabs: two jobs use server-sent events, the others
// are polled.
/** @param {HTMLElement} section */
function runningBoard(section) {
  /** @type {Map<string, ReturnType<typeof progressCard>>} */
  const cards = new Map();
  const pushed = new Set(),
    ended = new Set();
  const grid = h("div", { class: "cards" });
  /** @param {Api.Job} job */
  function place(job) {
    if (cards.has(job.id)) {
      if (!pushed.has(job.id)) cards.get(job.id)?.update(job);
      return;
    }
    const card = progressCard(job);
    cards.set(job.id, card);
    grid.append(card);
    if (pushed.size >= PUSHED) return;
    pushed.add(job.id);
    followJob(job.id, (now) => {
      card.update(now);
      if (hasEnded(now)) pushed.delete(job.id);
    });
  }
  return async () => {
    /** @type {Api.JobPage} */
    const { items: jobs } = await get("/v1/jobs?state=running&state=queued&state=paused&sort=-state&limit=40");
    const gone = [...cards.keys()].filter(
      (id) => !pushed.has(id) && !ended.has(id) && !jobs.some((job) => job.id === id),
    );
    /** @type {Api.Job[]} */
    const others = await Promise.all(gone.map((id) => get(`/v1/jobs/${id}`)));
    for (const job of others) {
      cards.get(job.id)?.update(job);
      if (hasEnded(job)) ended.add(job.id);
    }
    jobs.forEach(place);
    if (!cards.size)
      section.replaceChildren(
        notice(
          "No job is running",
          "Jobs are shown here until they end. “samfleet segment” and POST /v1/jobs submit them too.",
          newJob(),
        ),
      );
    else if (grid.parentNode !== section) section.replaceChildren(grid);
  };
}

/** @param {HTMLElement} main */
export async function show(main) {
  if (FILTERS.some((name) => new URLSearchParams(location.search).has(name)))
    return location.replace(LIST + location.search); // links to the list that was on this page
  document.title = "Overview · samfleet";
  const [running, pools, jobs] = ["running", "pools", "jobs"].map((id) =>
    h("section", { id, "aria-busy": "true" }, h("p", { class: "loading" }, "Loading…")),
  );
  main.replaceChildren(
    h("h1", {}, "Overview"),
    h("h2", {}, "Running"),
    running,
    h("h2", {}, "Pools"),
    pools,
    h("h2", {}, "Jobs"),
    jobs,
  );
  const showRunning = runningBoard(running);
  await Promise.all([showRunning(), showPools(pools), showNewest(jobs)]);
  for (const section of [running, pools, jobs]) section.removeAttribute("aria-busy");
  const said = h("p", { class: "bad", role: "status" });
  main.prepend(said);
  setInterval(async () => {
    const problem = await Promise.all([showRunning(), showPools(pools)]).then(
      () => "",
      (error) => `This page is out of date. ${error.message}`,
    );
    if (said.textContent !== problem) said.replaceChildren(problem);
  }, ASKED_EVERY_MS);
}
