import { followJob, get, hasEnded } from "/dashboard/static/api.js";
import { facts, h, notice } from "/dashboard/static/dom.js";
import { count, duration, nameOf, percent, rate } from "/dashboard/static/format.js";
import { LIST, showNewest } from "/dashboard/static/overview/jobs.js";
import { stateOf } from "/dashboard/static/states.js";

const ASKED_EVERY_MS = 5000;
const PUSHED = 2;
const HEARD_LATELY_S = 90;
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
          "Jobs submitted with “samfleet segment” or POST /v1/jobs are shown here until they end.",
        ),
      );
    else if (grid.parentNode !== section) section.replaceChildren(grid);
  };
}

// Values that a device does not report (a CPU has no power reading) are left out.
/** @param {Api.Device} one */
function device(one) {
  const seen = (Date.now() - Date.parse(one.seen_at)) / 1000;
  const used = one.memory_used_bytes ?? 0;
  const memory =
    one.memory_total_bytes &&
    gauge("Memory", used / one.memory_total_bytes, `${gib(used)} of ${gib(one.memory_total_bytes)} GiB`);
  const more = [
    one.utilization !== null && `utilization ${percent(one.utilization)}`,
    one.power_watts !== null && `${one.power_watts.toFixed(0)} W`,
    seen > HEARD_LATELY_S && `last seen ${duration(seen)} ago`,
  ];
  return h(
    "section",
    { class: "device", "aria-label": one.name },
    h("h4", {}, one.name),
    gauge("Busy", one.busy_share, percent(one.busy_share)),
    memory || "",
    h("p", { class: "soft small" }, more.filter(Boolean).join(" · ")),
  );
}

/** @param {number} bytes */
const gib = (bytes) => (bytes / 2 ** 30).toFixed(1);

/** @type {(name: string, share: number, text: string) => HTMLElement} */
function gauge(name, share, text) {
  return h(
    "div",
    { class: "gauge" },
    h("span", { class: "soft" }, name),
    h("meter", { min: 0, max: 1, value: share, "aria-label": `${name}: ${text}` }),
    h("span", {}, text),
  );
}

/** @param {Api.Pool} pool */
function poolCard(pool) {
  const servers = pool.workers.flatMap((worker) =>
    (worker.detail.servers ?? []).map((server) => ({ ...server, worker: worker.name })),
  );
  const health = pool.ready
    ? h("span", { class: "state good" }, "ready")
    : h("span", { class: "state bad" }, pool.workers.length ? "Triton does not respond" : "no worker");
  const { queue } = pool;
  /** @type {(images: number, shards: number) => string} */
  const work = (images, shards) =>
    `${count(images)} ${images === 1 ? "image" : "images"} in ${count(shards)} ${shards === 1 ? "shard" : "shards"}`;
  /** @type {[string, string][]} */
  const depth = [
    ["Waiting", work(queue.images_waiting, queue.shards_waiting)],
    ["In progress", work(queue.images_in_progress, queue.shards_in_progress)],
  ];
  /** @type {[string, string][]} */
  const lines = servers.map((server) => [
    server.address,
    [
      server.ready ? "ready" : "not ready",
      server.version && `Triton ${server.version}`,
      server.variants?.length && `loaded: ${server.variants.join(", ")}`,
    ]
      .filter(Boolean)
      .join(", "),
  ]);
  return h(
    "article",
    { class: "card" },
    h("div", { class: "head" }, h("h3", {}, pool.name), health),
    h("p", { class: "soft" }, pool.workers.length === 1 ? "1 worker" : `${pool.workers.length} workers`),
    facts([...depth, ...lines]),
    ...pool.warnings.map((warning) => h("p", { class: "bad small" }, warning)),
    ...pool.devices.map(device),
  );
}

/** @param {HTMLElement} section */
async function showPools(section) {
  /** @type {Api.Pools} */
  const { items: pools } = await get("/v1/pools");
  section.replaceChildren(h("div", { class: "cards" }, pools.map(poolCard)));
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
