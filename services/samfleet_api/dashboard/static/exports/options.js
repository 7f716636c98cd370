// The options that all formats take, and how long a file is kept.

import { h } from "/dashboard/static/dom.js";

/** @param {string} name */
const inWords = (name) => (name === "reviewed" ? "review state" : name.replaceAll("_", " "));

/** @type {Record<string, string>} */
const UNITS = { tolerance: "pixels", min_area: "pixels", min_score: "0 to 1" };

/** @typedef {{ name: string, read: () => string | number | boolean, label: HTMLElement }} Field */

/** @type {(option: Api.OptionHelp, changed: () => void) => Field} */
function fieldOf({ name, default: usual, description, choices }, changed) {
  const attributes = { name, title: description, onchange: changed };
  if (choices) {
    const values = choices.map((value) => h("option", { value, selected: value === usual }, value));
    const list = h("select", attributes, values);
    return { name, read: () => list.value, label: h("label", {}, inWords(name), list) };
  }
  if (typeof usual === "boolean") {
    const box = h("input", { ...attributes, type: "checkbox", checked: usual });
    return { name, read: () => box.checked, label: h("label", { class: "row" }, box, inWords(name)) };
  }
  const isNumber = typeof usual === "number";
  const field = h("input", { ...attributes, type: isNumber ? "number" : "text", step: "any", value: usual });
  if (isNumber) field.min = "0";
  const read = () => (isNumber ? Number(field.value || usual) : field.value || usual);
  const unit = UNITS[name] ? ` (${UNITS[name]})` : "";
  return { name, read, label: h("label", {}, inWords(name) + unit, field) };
}

// The form of the options. `read` returns those of the format, and `keepDays` null for as long as the job.
/** @type {(options: Api.OptionHelp[], changed: () => void) => Exports.Options} */
export function optionsForm(options, changed) {
  const fields = options.map((option) => fieldOf(option, changed));
  const days = h("input", { type: "number", min: 1, max: 36500, placeholder: "as long as the job" });
  const form = h(
    "details",
    {},
    h("summary", {}, "Options for all formats"),
    h(
      "div",
      { class: "filters" },
      fields.map((field) => field.label),
      h("label", {}, "delete the file after (days)", days),
    ),
  );
  return {
    form,
    read: () => Object.fromEntries(fields.map(({ name, read }) => [name, read()])),
    keepDays: () => (days.value ? Number(days.value) : null),
  };
}

// The options of an export that differ from the defaults, in words.
/** @type {(made: Api.Export, options: Api.OptionHelp[]) => string} */
export function changedOptions(made, options) {
  const changed = options.filter(({ name, default: usual }) => made.options[name] !== usual);
  return changed.map(({ name }) => `${inWords(name)} ${made.options[name]}`).join(", ");
}
