// New job: images, variants, pools, task and details, with an estimate before it is submitted. The address holds the
// choice; `?from=<job>` starts from an earlier job, whose id the new one keeps as its parent.

import { addressWith, filter, get } from "/dashboard/static/api.js";
import { h, notice } from "/dashboard/static/dom.js";
import { nameOf } from "/dashboard/static/format.js";
import { detailFields, poolChoice } from "/dashboard/static/new/details.js";
import { imageSection } from "/dashboard/static/new/images.js";
import { submission } from "/dashboard/static/new/submission.js";
import { TaskChoice } from "/dashboard/static/new/task.js";
import { variantChoice } from "/dashboard/static/new/variants.js";

/** @typedef {import("/dashboard/static/new/setting_field.js").Schema} Schema */

const SPEEDS = "/v1/reports/throughput?group_by=variant&group_by=pool";

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "New job · samfleet";
  const from = filter("from");
  /** @type {[Api.DatasetSources, Api.Variants, Api.Pools, { items: Api.ThroughputRow[] } & Record<string, any>, any, Api.Job | null]} */
  const [sources, variants, pools, measured, document_, parent] = await Promise.all([
    get("/v1/dataset-sources"),
    get("/v1/variants"),
    get("/v1/pools"),
    get(SPEEDS),
    get("/openapi.json"),
    from ? get(`/v1/jobs/${from}`) : null,
  ]);
  if (!pools.items.length) {
    main.replaceChildren(
      h("h1", {}, "New job"),
      notice("No pool", "SAMFLEET_POOLS names no pool. Ask the operator of this server."),
    );
    return;
  }
  build(main, { sources, variants, pools, measured: measured.rows, schemas: document_, parent });
}

/** @typedef {{ sources: Api.DatasetSources, variants: Api.Variants, pools: Api.Pools, measured: Api.ThroughputRow[], schemas: any, parent: Api.Job | null }} Known */

/** @type {(main: HTMLElement, known: Known) => void} */
function build(main, known) {
  const job = known.schemas.components.schemas.SubmitJob.properties;
  const [everything, prompts] = job.task.oneOf;
  const names = known.pools.items.map(({ name }) => name);
  /** @type {Api.Dataset | null} */
  let dataset = null;
  const forms = {
    promptFormats: promptFormats(known.schemas),
    frames: known.schemas.components.schemas.FrameSteps.properties,
  };
  const images = imageSection(known.sources, forms, (found) => {
    dataset = found;
    changed();
  });
  const variants = variantChoice(known.variants.items, changed);
  const pools = poolChoice(known.pools.items, changed);
  const task = new TaskChoice(everything.properties, prompts.properties, changed);
  const details = detailFields(job, changed);
  const read = () => ({
    ...(known.parent ? { rerun_of: known.parent.id } : {}),
    dataset_id: dataset?.id,
    variants: variants.read(),
    pools: pools.read(),
    task: task.read(),
    ...details.read(),
  });
  const form = h("div", { class: "job" });
  const submit = submission(form, read);
  let ready = false;
  function changed() {
    if (!ready) return;
    const chosen = known.variants.items.filter(({ name }) => variants.read().includes(name));
    task.show(dataset, chosen);
    variants.speeds(known.measured, pools.read().length ? pools.read() : names, task.kind);
    history.replaceState(null, "", addressOf(read()));
    submit.changed(dataset);
  }
  form.append(
    images.errors,
    section("Variants", variants.element),
    section("Pools", pools.element),
    section("Task", task.element()),
    section("Details", details.element),
  );
  const lead = known.parent
    ? h(
        "p",
        { class: "lead" },
        "Run again with changes: ",
        h("a", { href: `/dashboard/jobs/${known.parent.id}` }, nameOf(known.parent)),
      )
    : h("p", { class: "lead" }, "Choose images, variants and a task. Nothing runs before you submit.");
  main.replaceChildren(
    h("h1", {}, "New job"),
    lead,
    h("div", { class: "new-job" }, h("div", {}, section("Images", images.element), form), submit.element),
  );
  start({ variants, pools, task, details, images }, known).then(() => {
    ready = true;
    changed();
  });
}

// Fill the form from the earlier job, then from the address, which has later choices.
/** @type {(parts: any, known: Known) => Promise<void>} */
async function start({ variants, pools, task, details, images }, { parent }) {
  const query = new URLSearchParams(location.search);
  if (parent) {
    details.fill(parent);
    task.fill(parent.task);
    variants.fill([...new Set(parent.runs.map(({ variant }) => variant))]);
    pools.fill([...new Set(parent.runs.map(({ pool }) => pool))]);
  }
  if (query.has("variant")) variants.fill(query.getAll("variant"));
  if (query.has("pool")) pools.fill(query.getAll("pool"));
  if (query.has("task")) task.fill(taskOf(query.get("task") ?? ""));
  await images.start(query.get("dataset") ?? parent?.dataset_id ?? null);
}

/** @param {string} text */
function taskOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return { kind: "everything" }; // somebody changed the address by hand
  }
}

/** @param {{ dataset_id?: string, variants: string[], pools: string[], task: Api.Task }} chosen */
function addressOf({ dataset_id, variants, pools, task }) {
  const query = new URL(
    addressWith({ dataset: dataset_id, task: JSON.stringify(task), variant: null, pool: null }),
    location.href,
  ).searchParams;
  for (const variant of variants) query.append("variant", variant);
  for (const pool of pools) query.append("pool", pool);
  return `${location.pathname}?${query}`;
}

/** @param {any} document_ */
function promptFormats(document_) {
  const { parameters } = document_.paths["/v1/datasets/{dataset_id}/prompts"].put;
  /** @type {{ schema: Schema }} */
  const { schema } = parameters.find((/** @type {{ name: string }} */ one) => one.name === "format");
  return (schema.anyOf ?? [schema]).flatMap((one) => one.enum ?? [String(one.const)]);
}

/** @type {(title: string, ...children: Dom.Child[]) => HTMLElement} */
const section = (title, ...children) =>
  h("section", { class: "card", "aria-label": title }, h("h2", {}, title), ...children);
