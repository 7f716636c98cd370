// The task, with the generator's settings. Ranges, defaults and choices come from the OpenAPI document.

import { h } from "/dashboard/static/dom.js";
import { errorPlace } from "/dashboard/static/new/fields.js";
import { settingField } from "/dashboard/static/new/setting_field.js";
import { settingInWords } from "/dashboard/static/new/words.js";

/** @typedef {import("/dashboard/static/new/setting_field.js").Setting} Setting */
/** @typedef {import("/dashboard/static/new/setting_field.js").Schema} Schema */
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
const TILE = "tile_"; // begins the names of fields of `tile`
const OF_SAMPLER = { sampler: "object_aware", boxes_from: "detections" }; // a mask for each detected box

export class TaskChoice {
  /**
   * @param {Record<string, Schema>} everything
   * @param {Record<string, Schema>} prompts
   * @param {() => void} changed
   */
  constructor(everything, prompts, changed) {
    const redraw = () => {
      this.draw();
      changed();
    };
    this.redraw = redraw;
    this.radios = KINDS.map(({ key }, index) =>
      h("input", { type: "radio", name: "task", value: key, id: `new-task-${key}`, checked: !index, onchange: redraw }),
    );
    this.missing = KINDS.map(() => h("span", { class: "small wait block" }));
    this.tile = Object.entries(everything.tile.properties ?? {}).map(([name, schema]) =>
      settingField(TILE + name, schema, `tile ${name}`, changed),
    );
    this.general = settings(everything, ["kind", "tile"], changed, redraw);
    this.points = settings(prompts, ["kind", "prompt", "from", "tile", "multimask"], changed, redraw);
    this.multimask = settings({ multimask: prompts.multimask }, [], changed, redraw);
    this.place = h("div", { class: "filters" });
    /** @type {Api.Variant[]} */
    this.chosen = [];
    this.draw();
  }

  get key() {
    return this.radios.find(({ checked }) => checked)?.value ?? "everything";
  }

  // "everything" or "prompts", as in the request.
  get kind() {
    return this.key === "everything" || this.key === "detections" ? "everything" : "prompts";
  }

  element() {
    const kinds = KINDS.map(({ title }, index) => {
      const radio = this.radios[index];
      return h("label", { class: "row", for: radio.id }, radio, h("span", {}, title, this.missing[index]));
    });
    const help = "An empty field is the variant's default; most variants have the values shown in grey.";
    const advanced = h("details", {}, h("summary", {}, "Advanced"), h("p", { class: "small soft" }, help), this.place);
    const group = h("div", { class: "new-choices", role: "radiogroup", "aria-label": "Task" }, kinds);
    return h("div", {}, group, errorPlace("task"), advanced);
  }

  draw() {
    this.place.replaceChildren(...this.shown().map(({ element }) => element));
  }

  /** @returns {Setting[]} */
  shown() {
    if (this.key === "random_points") return [...this.points, ...this.multimask, ...this.tile];
    if (this.key === "file") return this.tile;
    if (this.kind === "prompts") return [...this.multimask, ...this.tile];
    const samplers = samplersOf(this.key, this.general, this.chosen);
    const taken = this.general.filter(({ schema }) =>
      samplers.some((sampler) => (schema[SAMPLERS] ?? []).includes(String(sampler))),
    );
    return this.key === "detections" ? taken.filter(({ name }) => !(name in OF_SAMPLER)) : [...taken, ...this.tile];
  }

  read() {
    /** @type {Record<string, unknown>} */
    const own = {};
    /** @type {Record<string, unknown>} */
    const tile = {};
    for (const one of this.shown()) {
      const value = one.read();
      if (value === undefined) continue;
      if (one.name.startsWith(TILE)) tile[one.name.slice(TILE.length)] = value;
      else own[one.name] = value;
    }
    const cut = Object.keys(tile).length ? { tile } : {};
    if (this.key === "everything") return { kind: "everything", ...own, ...cut };
    if (this.key === "detections") return { kind: "everything", ...OF_SAMPLER, ...own };
    return { kind: "prompts", prompt: this.key, ...own, ...cut };
  }

  /** @param {Api.Task} task */
  fill(task) {
    const detections = task.sampler === OF_SAMPLER.sampler && task.boxes_from === OF_SAMPLER.boxes_from;
    const wanted = task.kind === "prompts" ? task.prompt : detections ? "detections" : "everything";
    for (const radio of this.radios) radio.checked = radio.value === wanted;
    for (const one of [...this.general, ...this.points, ...this.multimask]) one.fill(task[one.name]);
    const tile = /** @type {Record<string, unknown>} */ (task.tile ?? {});
    for (const one of this.tile) one.fill(tile[one.name.slice(TILE.length)]);
    this.redraw();
  }

  // Say what the dataset lacks for a task, and offer the settings of the chosen variants' samplers.
  /** @type {(dataset: Api.Dataset | null, variants: Api.Variant[]) => void} */
  show(dataset, variants) {
    KINDS.forEach(({ needs }, index) => {
      const lacks = dataset && needs && !dataset[needs];
      this.missing[index].replaceChildren(lacks ? `this dataset has no ${NEEDED[needs]}` : "");
    });
    const same = String(this.chosen.map(({ name }) => name)) === String(variants.map(({ name }) => name));
    this.chosen = variants;
    if (!same) this.draw();
  }
}

/** @type {(properties: Record<string, Schema>, without: string[], changed: () => void, redraw: () => void) => Setting[]} */
function settings(properties, without, changed, redraw) {
  return Object.entries(properties)
    .filter(([name]) => !without.includes(name))
    .map(([name, schema]) => {
      const field = settingField(name, schema, settingInWords(name), name === "sampler" ? redraw : changed);
      field.element.title = name;
      return field;
    });
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
