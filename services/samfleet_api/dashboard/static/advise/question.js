// Fields of a question to the advice. The URL holds it, with the names of the API's parameters.

import { h } from "/dashboard/static/dom.js";

const BYTES_OF_GIB = 2 ** 30;
/** @type {Record<string, string[]>} */
const QUALITIES = {
  everything: ["min_ar", "min_miou"],
  detections: ["min_ap", "min_miou"],
  box: ["min_miou", "min_ap"],
  center_point: ["min_miou", "min_ap"],
};
const QUALITY_TITLES = { min_miou: "Minimum mIoU", min_ap: "Minimum AP", min_ar: "Minimum AR" };
/** @type {[string, string][]} */
const TASKS = [
  ["everything", "Everything"],
  ["box", "A mask for each box"],
  ["center_point", "A mask for each centre point"],
  ["detections", "Boxes of detections"],
];
/** @type {[string, string][]} */
const PREFERENCES = [
  ["quality", "Quality"],
  ["speed", "Speed"],
  ["cost", "Cost"],
  ["memory", "Memory"],
];
/** @type {[string, string][]} */
const LICENCES = [
  ["", "None"],
  ["AGPL", "AGPL"],
  ["S-Lab", "S-Lab"],
  ["SAM-License", "SAM-License"],
];
const PUBLISHED = ["RTX 3090", "RTX 2080 Ti", "Xeon Gold 6330", "Jetson Nano"];

const query = () => new URLSearchParams(location.search);

/** @param {string} name */
const value = (name, otherwise = "") => query().get(name) ?? otherwise;

/** @type {(name: string, text: string) => void} */
function put(name, text) {
  const next = query();
  if (text) next.set(name, text);
  else next.delete(name);
  if (name === "task")
    for (const quality of Object.keys(QUALITY_TITLES))
      if (!QUALITIES[text || "everything"].includes(quality)) next.delete(quality); // the API refuses it for this task
  history.pushState(null, "", location.pathname + (next.size ? `?${next}` : ""));
}

/** @type {(name: string, label: string, options: [string, string][], changed: () => void) => HTMLElement} */
function select(name, label, options, changed) {
  const field = h(
    "select",
    { id: `ask-${name}` },
    options.map(([key, text]) => h("option", { value: key, selected: value(name, options[0][0]) === key }, text)),
  );
  field.addEventListener("change", () => {
    put(name, field.value === options[0][0] ? "" : field.value);
    changed();
  });
  return h("label", {}, label, field);
}

/** @type {(name: string, label: string, changed: () => void, list?: string, placeholder?: string) => HTMLElement} */
function text(name, label, changed, list, placeholder = "any") {
  const field = h("input", { id: `ask-${name}`, value: value(name), list, placeholder });
  field.addEventListener("change", () => {
    put(name, field.value.trim());
    changed();
  });
  return h("label", {}, label, field);
}

// `unit` converts the field's number to the parameter's: 2 GiB are 2147483648 bytes.
/** @type {(name: string, label: string, changed: () => void, unit?: number) => HTMLElement} */
function number(name, label, changed, unit = 1) {
  const shown = value(name) && String(Number(value(name)) / unit);
  const field = h("input", {
    id: `ask-${name}`,
    type: "number",
    min: 0,
    step: "any",
    value: shown,
    placeholder: "any",
  });
  field.addEventListener("change", () => {
    const given = Number(field.value) * unit;
    put(name, field.value && String(unit === 1 ? given : Math.round(given)));
    changed();
  });
  return h("label", {}, label, field);
}

/** @type {(changed: () => void) => HTMLElement} */
function commercial(changed) {
  const box = h("input", { type: "checkbox", id: "ask-commercial", checked: value("commercial") === "true" });
  box.addEventListener("change", () => {
    put("commercial", box.checked ? "true" : "");
    changed();
  });
  return h("label", { class: "row" }, box, "Commercial use");
}

/** @type {(machines: string[], datasets: string[], changed: () => void) => HTMLElement} */
export function fields(machines, datasets, changed) {
  /** @type {(id: string, choices: string[]) => HTMLElement} */
  const list = (id, choices) =>
    h(
      "datalist",
      { id },
      choices.map((one) => h("option", { value: one })),
    );
  const qualities = QUALITIES[value("task", "everything")] ?? QUALITIES.everything;
  const titles = /** @type {Record<string, string>} */ (QUALITY_TITLES);
  return h(
    "div",
    { class: "filters", role: "group", "aria-label": "Question" },
    select("task", "Task", TASKS, changed),
    text("hardware", "Hardware", changed, "known-hardware"),
    text("dataset", "Dataset", changed, "known-datasets"),
    qualities.map((name) => number(name, titles[name], changed)),
    number("max_latency_ms", "Maximum ms per image", changed),
    number("min_images_per_hour", "Minimum images per hour", changed),
    number("max_memory_bytes", "Maximum memory in GiB", changed, BYTES_OF_GIB),
    number("max_cost_per_1000", "Maximum cost of 1000 images", changed),
    text("currency", "Currency", changed, undefined, "USD"),
    select("exclude_licence", "Excluded licence", LICENCES, changed),
    commercial(changed),
    select("prefer", "Prefer", PREFERENCES, changed),
    list("known-hardware", ["this", "cpu", "gpu", ...machines, ...PUBLISHED]),
    list("known-datasets", datasets),
  );
}
