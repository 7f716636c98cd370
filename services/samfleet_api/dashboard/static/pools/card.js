// What each pool is doing now. Red only if something is wrong, with what to do.

import { get } from "/dashboard/static/api.js";
import { facts, h } from "/dashboard/static/dom.js";
import { count, duration } from "/dashboard/static/format.js";
import { deviceOf } from "/dashboard/static/pools/device.js";

/** @type {Record<Api.ConditionCode, [tone: string, text: string]>} */
const CONDITIONS = {
  ready: ["good", "ready"],
  starting: ["wait", "starting"],
  idle: ["soft", "no worker needed"],
  no_worker: ["bad", "no worker"],
  triton_away: ["bad", "Triton does not respond"],
};

/** @type {(images: number, shards: number) => string} */
const work = (images, shards) =>
  `${count(images)} ${images === 1 ? "image" : "images"} in ${count(shards)} ${shards === 1 ? "shard" : "shards"}`;

/** @type {(title: string, id: string, items: HTMLElement[]) => HTMLElement | null} */
const list = (title, id, items) =>
  items.length
    ? h(
        "section",
        { class: "pool-part" },
        h("h4", { id }, title),
        h("ul", { class: "plain-list", "aria-labelledby": id }, items),
      )
    : null;

/** @param {Api.OwnWork} run */
const workItem = (run) =>
  h(
    "li",
    {},
    h("a", { href: `/dashboard/jobs/${run.job_id}` }, run.job_name ?? `Job ${run.job_id.slice(0, 8)}`),
    ` · ${run.variant} · ${work(run.images, run.shards)}`,
  );

/** @param {Api.LoadingVariant} one */
const loadingItem = (one) => {
  const seconds = Math.max(0, (Date.now() - Date.parse(one.since)) / 1000);
  return h("li", { title: `on ${one.address}` }, `${one.variant}, for ${duration(seconds)} so far`);
};

// A line for each Triton server; one that several workers reach is listed once.
/** @param {Api.Pool} pool */
function servers(pool) {
  /** @type {Map<string, NonNullable<Api.WorkerDetail["servers"]>[number]>} */
  const found = new Map();
  for (const worker of pool.workers)
    for (const server of worker.detail.servers ?? [])
      if (server.ready || !found.has(server.address)) found.set(server.address, server);
  const starting = pool.condition.code === "starting";
  return [...found.values()].map((server) => {
    const state = server.ready ? "ready" : starting ? "starting" : "not ready";
    const loaded = server.variants?.length && `loaded: ${server.variants.join(", ")}`;
    const parts = [state, server.version && `Triton ${server.version}`, loaded];
    return /** @type {[string, string]} */ ([server.address, parts.filter(Boolean).join(", ")]);
  });
}

/** @param {Api.Pool} pool */
function poolCard(pool) {
  const [tone, text] = CONDITIONS[pool.condition.code];
  const { queue, name } = pool;
  const why = pool.condition.code === "ready" ? null : h("p", { class: `small ${tone}` }, pool.condition.message);
  return h(
    "article",
    { class: "card" },
    h("div", { class: "head" }, h("h3", {}, name), h("span", { class: `state ${tone}` }, text)),
    why,
    h("p", { class: "soft" }, pool.workers.length === 1 ? "1 worker" : `${pool.workers.length} workers`),
    list("Loading models", `loading-${name}`, pool.loading.map(loadingItem)),
    list("Working on your jobs", `work-${name}`, pool.work.map(workItem)),
    facts([
      ["Waiting", work(queue.images_waiting, queue.shards_waiting)],
      ["In progress", work(queue.images_in_progress, queue.shards_in_progress)],
      ...servers(pool),
    ]),
    ...pool.warnings.map((warning) => h("p", { class: "wait small" }, warning)),
    ...pool.devices.map(deviceOf),
  );
}

/** @param {HTMLElement} section */
export async function showPools(section) {
  /** @type {Api.Pools} */
  const { items: pools } = await get("/v1/pools");
  const focused = document.activeElement instanceof HTMLAnchorElement && section.contains(document.activeElement);
  const href = focused ? /** @type {HTMLAnchorElement} */ (document.activeElement).href : "";
  section.replaceChildren(h("div", { class: "cards" }, pools.map(poolCard)));
  if (href) [...section.querySelectorAll("a")].find((link) => link.href === href)?.focus();
}
