// The task, with the generator's settings. Ranges, defaults and choices come from the OpenAPI document.

import { h } from "/dashboard/static/dom.js";
import { errorPlace } from "/dashboard/static/new/fields.js";
import { settingField } from "/dashboard/static/new/setting_field.js";

/** @typedef {import("/dashboard/static/new/setting_field.js").Setting} Setting */
/** @typedef {import("/dashboard/static/new/setting_field.js").Schema} Schema */
/** @typedef {{ element: HTMLElement, read(): Api.Task, fill(task: Api.Task): void, show(dataset: Api.Dataset | null, variants: Api.Variant[]): void, kind(): string }} TaskChoice */
/** @typedef {{ key: string, title: string, needs?: "annotation_count" | "detection_count" | "prompt_count" }} Kind */

/** @type {Kind[]} */
const KINDS = [
  { key: "everything", title: "All objects of every image" },
  { key: "box", title: "A mask for each annotated box", needs: "annotation_count" },
  { key: "center_point", title: "A mask for the centre point of each annotated object", needs: "annotation_count" },
  { key: "random_points", title: "A mask for random points of each annotated object", needs: "annotation_count" },
  { key: "detections", title: "A mask for each detected box", needs: "detection_count" },
  { key: "file", title: "The prompts of a prompts file", needs: "prompt_count" },
];
const NEEDED = { annotation_count: "annotations", detection_count: "detections", prompt_count: "prompts file" };
const SAMPLERS = "x-samfleet-samplers";
const OF_SAMPLER = { sampler: "object_aware", boxes_from: "detections" }; // a mask for each detected box

/** @type {(everything: Record<string, Schema>, prompts: Record<string, Schema>, changed: () => void) => TaskChoice} */
export function taskChoice(everything, prompts, changed) {
  const radios = KINDS.map(({ key }, index) =>
    h("input", {
      type: "radio",
      name: "task",
      value: key,
      id: `new-task-${key}`,
      checked: index === 0,
      onchange: redraw,
    }),
  );
  const missing = KINDS.map(() => h("span", { class: "small wait block" }));
  const tile = Object.entries(everything.tile.properties ?? {}).map(([name, schema]) =>
    settingField(`tile_${name}`, schema, `tile ${name}`, changed),
  );
  const general = settings(everything, ["kind", "tile"], changed, redraw);
  const points = settings(prompts, ["kind", "prompt", "from", "tile", "multimask"], changed, redraw);
  const multimask = settings({ multimask: prompts.multimask }, [], changed, redraw);
  const place = h("div", { class: "filters" });
  /** @type {Api.Variant[]} */
  let chosen = [];

  const key = () => radios.find(({ checked }) => checked)?.value ?? "everything";
  /** @returns {Setting[]} */
  function shown() {
    if (key() === "random_points") return [...points, ...multimask, ...tile];
    if (key() === "file") return tile;
    if (key() !== "everything" && key() !== "detections") return [...multimask, ...tile];
    const samplers = samplersOf(key(), general, chosen);
    const taken = general.filter(({ name, schema }) => {
      if (key() === "detections" && name in OF_SAMPLER) return false;
      return samplers.some((sampler) => (schema[SAMPLERS] ?? []).includes(String(sampler)));
    });
    return key() === "detections" ? taken : [...taken, ...tile];
  }
  function redraw() {
    place.replaceChildren(...shown().map(({ element }) => element));
    changed();
  }
  function read() {
    const given = Object.fromEntries(
      shown().flatMap((one) => (one.read() === undefined ? [] : [[one.name, one.read()]])),
    );
    const tiled = Object.fromEntries(
      Object.entries(given).flatMap(([name, value]) => (name.startsWith("tile_") ? [[name.slice(5), value]] : [])),
    );
    const own = Object.fromEntries(Object.entries(given).filter(([name]) => !name.startsWith("tile_")));
    const cut = Object.keys(tiled).length ? { tile: tiled } : {};
    if (key() === "everything") return { kind: "everything", ...own, ...cut };
    if (key() === "detections") return { kind: "everything", ...OF_SAMPLER, ...own };
    return { kind: "prompts", prompt: key(), ...own, ...cut };
  }
  /** @param {Api.Task} task */
  function fill(task) {
    const detections = task.sampler === "object_aware" && task.boxes_from === "detections";
    const wanted = task.kind === "prompts" ? task.prompt : detections ? "detections" : "everything";
    for (const radio of radios) radio.checked = radio.value === wanted;
    for (const one of [...general, ...points, ...multimask]) one.fill(task[one.name]);
    const cut = /** @type {Record<string, unknown>} */ (task.tile ?? {});
    for (const one of tile) one.fill(cut[one.name.slice(5)]);
    redraw();
  }
  /** @type {(dataset: Api.Dataset | null, variants: Api.Variant[]) => void} */
  function show(dataset, variants) {
    const before = chosen.map(({ name }) => name).join();
    chosen = variants;
    KINDS.forEach(({ needs }, index) => {
      const lacks = dataset && needs && !dataset[needs];
      missing[index].replaceChildren(lacks ? `this dataset has no ${NEEDED[needs]}` : "");
    });
    if (before !== variants.map(({ name }) => name).join())
      place.replaceChildren(...shown().map(({ element }) => element));
  }
  place.replaceChildren(...shown().map(({ element }) => element));
  const kinds = KINDS.map(({ title }, index) =>
    h("label", { class: "row", for: radios[index].id }, radios[index], h("span", {}, title, missing[index])),
  );
  const advanced = h(
    "details",
    {},
    h("summary", {}, "Advanced"),
    h(
      "p",
      { class: "small soft" },
      "An empty field is the variant's default; most variants have the values shown in grey.",
    ),
    place,
  );
  const group = h("div", { class: "new-choices", role: "radiogroup", "aria-label": "Task" }, kinds);
  return {
    element: h("div", {}, group, errorPlace("task"), advanced),
    read,
    fill,
    show,
    kind: () => (key() === "everything" || key() === "detections" ? "everything" : "prompts"),
  };
}

/** @type {(properties: Record<string, Schema>, without: string[], changed: () => void, redraw: () => void) => Setting[]} */
function settings(properties, without, changed, redraw) {
  return Object.entries(properties)
    .filter(([name]) => !without.includes(name))
    .map(([name, schema]) =>
      settingField(name, schema, name.replaceAll("_", " "), name === "sampler" ? redraw : changed),
    );
}

// The sampler that is chosen, or else those of the chosen variants.
/** @type {(key: string, general: Setting[], chosen: Api.Variant[]) => unknown[]} */
function samplersOf(key, general, chosen) {
  if (key === "detections") return [OF_SAMPLER.sampler];
  const sampler = general.find(({ name }) => name === "sampler");
  const stated = sampler?.read();
  if (stated !== undefined) return [stated];
  const usual = sampler?.schema.default;
  return chosen.length ? chosen.map(({ everything }) => everything.sampler ?? usual) : [usual];
}
