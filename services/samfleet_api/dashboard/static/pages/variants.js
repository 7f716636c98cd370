import { addressWith, filter, get } from "/dashboard/static/api.js";
import { facts, h, notice } from "/dashboard/static/dom.js";
import { bytes, count } from "/dashboard/static/format.js";
import { weightsCell } from "/dashboard/static/weights/cell.js";

/** @type {Record<Api.Variant["parity"], [string, string]>} */
const PARITY = {
  golden: ["good", "matches recorded outputs of the official code"],
  real: ["good", "checked with its real weights"],
  reference: ["good", "matches an independent implementation"],
  keys: ["wait", "checkpoint keys and shapes checked"],
  unverified: ["soft", "not verified"],
};

/** @type {(pools: Api.Pool[]) => Map<string, Set<string>>} */
function loadedWhere(pools) {
  const places = new Map();
  for (const pool of pools)
    for (const worker of pool.workers)
      for (const server of worker.detail.servers ?? [])
        for (const variant of server.variants ?? []) {
          if (!places.has(variant)) places.set(variant, new Set());
          places.get(variant).add(`${pool.name} (${server.address})`);
        }
  return places;
}

/** @param {Api.Variant} variant */
function licence(variant) {
  const missing = variant.licences_to_accept;
  const state = missing.length
    ? h("span", { class: "bad" }, `not accepted: ${missing.join(", ")}`)
    : h("span", { class: "good" }, "may be used");
  return h("span", {}, `weights ${variant.weights_licence}, code ${variant.code_licence}: `, state);
}

/** @type {(variant: Api.Variant, places: Map<string, Set<string>>) => HTMLElement} */
function card(variant, places) {
  const [tone, meaning] = PARITY[variant.parity];
  const { checkpoint, paper } = variant;
  const arxiv = paper.arxiv
    ? h("a", { href: `https://arxiv.org/abs/${paper.arxiv}` }, paper.title || paper.arxiv)
    : paper.title;
  const record = facts([
    ["Licence", licence(variant)],
    ["Parity", h("span", { class: tone }, meaning)],
    ["Weights", weightsCell(variant)],
    ["Loaded", [...(places.get(variant.name) ?? ["no server"])].join(", ")],
    ["Input", `${variant.input_size} × ${variant.input_size} pixels`],
    ["Family", variant.family],
    ["Paper", arxiv],
    ["Code", h("a", { href: variant.repository }, variant.repository.replace("https://", ""))],
  ]);
  const settings = facts(Object.entries(variant.everything).map(([name, value]) => [name, String(value)]));
  const weights = facts([
    ["File", checkpoint.filename],
    ["Size", bytes(checkpoint.size_bytes)],
    ["SHA-256", checkpoint.sha256 ?? "not published"],
  ]);
  return h(
    "article",
    { class: "card", id: variant.name },
    h("div", { class: "head" }, h("h2", {}, variant.title), h("code", { class: "soft" }, variant.name)),
    record,
    h("details", {}, h("summary", {}, "Weights and defaults"), weights, settings),
  );
}

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "Variants · samfleet";
  /** @type {[Api.Variants, Api.Pools]} */
  const [variants, pools] = await Promise.all([get("/v1/variants"), get("/v1/pools")]);
  const places = loadedWhere(pools.items);
  const list = h("div", { class: "cards" });
  const said = h("p", { class: "soft", role: "status" });
  const name = h("input", { type: "search", value: filter("name") });
  const parity = h(
    "select",
    {},
    ["", ...Object.keys(PARITY)].map((one) =>
      h("option", { value: one, selected: one === filter("parity") }, one || "any"),
    ),
  );
  const loaded = h("input", { type: "checkbox", checked: filter("loaded") === "yes" });
  const usable = h("input", { type: "checkbox", checked: filter("usable") === "yes" });
  function refine() {
    const wanted = name.value.trim().toLowerCase();
    const kept = variants.items.filter(
      (one) =>
        `${one.name} ${one.title} ${one.family}`.toLowerCase().includes(wanted) &&
        (!parity.value || one.parity === parity.value) &&
        (!loaded.checked || places.has(one.name)) &&
        (!usable.checked || !one.licences_to_accept.length),
    );
    said.replaceChildren(`${count(kept.length)} of ${count(variants.items.length)} variants`);
    list.replaceChildren(
      ...(kept.length
        ? kept.map((one) => card(one, places))
        : [notice("No variant matches", "Remove a filter to see more.")]),
    );
    history.replaceState(
      null,
      "",
      addressWith({
        name: name.value,
        parity: parity.value,
        loaded: loaded.checked && "yes",
        usable: usable.checked && "yes",
      }),
    );
  }
  const filters = h(
    "div",
    { class: "filters", oninput: refine },
    h("label", {}, "Name", name),
    h("label", {}, "Parity", parity),
    h("label", { class: "row" }, loaded, "Loaded on a server"),
    h("label", { class: "row" }, usable, "Licence accepted"),
  );
  main.replaceChildren(h("h1", {}, "Variants"), filters, said, list);
  refine();
}
