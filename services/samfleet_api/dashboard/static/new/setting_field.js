// A field of one setting, made of its JSON schema.

import { h } from "/dashboard/static/dom.js";
import { labelled } from "/dashboard/static/new/fields.js";

/**
 * @typedef {{ type?: string, const?: unknown, enum?: string[], anyOf?: Schema[], minimum?: number, maximum?: number, default?: unknown, description?: string, properties?: Record<string, Schema>, "x-samfleet-samplers"?: string[] }} Schema
 */
/** @typedef {{ name: string, schema: Schema, element: HTMLElement, read(): unknown, fill(value: unknown): void }} Setting */

// `read` returns undefined for an empty field, which leaves the setting to the variant.
/** @type {(name: string, schema: Schema, label: string, changed: () => void) => Setting} */
export function settingField(name, schema, label, changed) {
  const error = name.startsWith("tile_") ? name.slice(5) : name;
  const number = [schema, ...(schema.anyOf ?? [])].find(({ type }) => type === "integer" || type === "number");
  const choices = schema.enum ?? (schema.type === "boolean" ? ["true", "false"] : null);
  const usual = typeof schema.default === "number" ? String(+schema.default.toFixed(4)) : String(schema.default ?? "");
  if (choices) {
    const options = ["", ...choices].map((one) => h("option", { value: one }, one.replaceAll("_", " ") || "default"));
    const field = h("select", { onchange: changed }, options);
    return {
      name,
      schema,
      element: labelled(error, label, field, shortened(schema.description)),
      read: () => (field.value === "" ? undefined : schema.type === "boolean" ? field.value === "true" : field.value),
      fill: (value) => {
        field.value = value === undefined || value === null ? "" : String(value);
      },
    };
  }
  const field = h("input", {
    type: "number",
    min: number?.minimum,
    max: number?.maximum,
    step: number?.type === "integer" ? 1 : "any",
    placeholder: usual,
    oninput: changed,
  });
  return {
    name,
    schema,
    element: labelled(error, label, field, range(number)),
    read: () => (field.value === "" ? undefined : Number(field.value)),
    fill: (value) => {
      field.value = typeof value === "number" ? String(value) : "";
    },
  };
}

const WIDE = 100_000; // a bound beyond it only keeps numbers finite

/** @param {Schema | undefined} schema */
function range(schema) {
  if (schema?.minimum === undefined || schema.maximum === undefined) return "";
  if (schema.minimum <= -WIDE) return "";
  return schema.maximum >= WIDE ? `${schema.minimum} or more` : `${schema.minimum} to ${schema.maximum}`;
}

/** @param {string | undefined} text */
const shortened = (text = "") => text.split(". ")[0].replace(/\.$/, "");
