// Names of report rows. A row never averages over different parameters, code versions or sites, so two rows may have the
// same variant and hardware. Their names then include what differs between them.

import { colourOf, shapeOf } from "/dashboard/static/charts/plot.js";

/** @type {Reports.Dimension[]} */
const DIMENSIONS = ["variant", "hardware", "stage", "batch_size", "precision", "job", "day", "pool", "dataset"];
const TASK = "task"; // described in words, so it needs no name before its value
const HASH = /^[0-9a-f]{40,}$/;

/** @type {(row: Api.ReportRow, dimension: string, known: Reports.Known) => string} */
export function labelOf(row, dimension, known) {
  const one = row[/** @type {Reports.Dimension} */ (dimension)];
  if (one === null || one === undefined) return dimension === "hardware" ? "no hardware" : "–";
  if (dimension === "job") return known.jobs.get(String(one)) ?? `Job ${String(one).slice(0, 8)}`;
  if (dimension === "batch_size") return one === 0 ? "no batch" : `batches of ${one}`;
  if (dimension === "stage" && one === "image") return "whole image";
  return String(one);
}

/** @type {(parameters: object | null | undefined, prefix?: string) => [string, unknown][]} */
export function flatten(parameters, prefix = "") {
  return Object.entries(parameters ?? {}).flatMap(([name, one]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    return one !== null && typeof one === "object" && !Array.isArray(one) ? flatten(one, path) : [[path, one]];
  });
}

/** @param {unknown} one */
export const shown = (one) =>
  typeof one === "string" && HASH.test(one)
    ? one.slice(0, 12)
    : Array.isArray(one)
      ? one.join(", ")
      : String(one ?? "none");

/** @param {string} path */
const leaf = (path) => path.slice(path.lastIndexOf(".") + 1).replaceAll("_", " ");

/** @param {unknown} words */
const parts = (words) => String(words ?? "").split(", ");

// Shorten the words of tasks to the parts that differ: `8 points per side` beside `32 points per side`.
/** @type {(words: unknown[]) => (words: unknown) => string} */
function shortTask(words) {
  const all = words.map(parts);
  /** @param {string} part */
  const common = (part) => all.every((one) => one.includes(part));
  return (one) => {
    const own = parts(one).filter((part) => !common(part));
    return own.length ? own.join(", ") : String(one ?? "");
  };
}

/** @typedef {Map<string, unknown>} Described the values by name that may distinguish a row */

/** @type {(row: Api.ReportRow, parameters: Api.Parameters | undefined) => Described} */
function describe(row, parameters) {
  const { task: _, ...others } = parameters ?? {};
  const origin = /** @type {[string, unknown][]} */ ([
    ["code", row.code_version],
    ["site", row.site],
  ]);
  return new Map([[TASK, row.task_in_words], ...flatten(others), ...origin]);
}

/** @type {(described: Described[]) => string[]} */
function apart(described) {
  const names = [...new Set(described.flatMap((one) => [...one.keys()]))].filter(
    (name) => new Set(described.map((one) => shown(one.get(name)))).size > 1,
  );
  const short = shortTask(described.map((one) => one.get(TASK)));
  /** @type {(one: Described, name: string) => string} */
  const words = (one, name) => (name === TASK ? short(one.get(name)) : `${leaf(name)} ${shown(one.get(name))}`);
  return described.map((one) => names.map((name) => words(one, name)).join(", "));
}

// Return a function: row => what distinguishes it from rows of the same dimensions, or "". `digest` is the column with
// the digest of the parameters.
/**
 * @template {Api.ReportRow} Row
 * @param {Row[]} rows
 * @param {Api.Report["parameters"]} parameters
 * @param {(keyof Row)[]} dimensions
 * @param {(row: Row) => string} [digest]
 * @returns {(row: Row) => string}
 */
export function differences(rows, parameters, dimensions, digest = (row) => row.parameters) {
  /** @type {Map<string, Row[]>} */
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify(dimensions.map((name) => (name === "hardware" ? row.hardware_id : row[name])));
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  /** @type {Map<Row, string>} */
  const found = new Map();
  for (const group of groups.values()) {
    const words = apart(group.map((row) => describe(row, parameters[digest(row)])));
    for (const [index, row] of group.entries()) found.set(row, words[index]);
  }
  return (row) => found.get(row) ?? "";
}

/** @param {Api.ReportRow[]} rows */
export const keysOf = (rows) => DIMENSIONS.filter((name) => rows.length && name in rows[0]);

/** @type {(rows: Api.ReportRow[], name: keyof Api.ReportRow) => boolean} */
export const varies = (rows, name) => new Set(rows.map((row) => row[name])).size > 1;

// What all rows share, in words.
/** @type {(rows: Api.ReportRow[], known: Reports.Known) => string} */
export function sharedWords(rows, known) {
  const dimensions = keysOf(rows).filter((name) => !varies(rows, name));
  return [
    ...dimensions.map((name) => labelOf(rows[0], name, known)),
    varies(rows, "task_in_words") ? "" : rows[0].task_in_words,
    varies(rows, "code_version") ? "" : `code ${rows[0].code_version}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

// Name the rows of a comparison by what varies, and at last by what distinguishes side B of otherwise equal rows.
/** @type {(rows: Api.ComparisonRow[], answer: Api.Report, known: Reports.Known) => (row: Api.ComparisonRow) => string} */
export function namesOf(rows, answer, known) {
  const dimensions = keysOf(rows);
  const varying = dimensions.filter((name) => varies(rows, name));
  const differs = differences(rows, answer.parameters, dimensions);
  const ofB = differences(
    rows,
    answer.parameters,
    [...dimensions, "parameters", "code_version"],
    (row) => row.parameters_b,
  );
  return (row) =>
    [...varying.map((name) => labelOf(row, name, known)), differs(row), ofB(row) && `B: ${ofB(row)}`]
      .filter(Boolean)
      .join(" · ");
}

// Group rows by the dimension `by` and name them by all the other dimensions that vary.
/**
 * @template {Api.ReportRow} Row
 * @template Mark
 * @param {Row[]} rows
 * @param {Api.Report} answer
 * @param {Reports.Known} known
 * @param {string} by
 * @param {(row: Row, title: string) => Mark} make
 */
export function grouped(rows, answer, known, by, make) {
  /** @type {Reports.Dimension[]} */
  const dimensions = keysOf(rows).filter((name) => name !== "day");
  const varying = dimensions.filter(
    (name) => name !== by && (["variant", "hardware"].includes(name) || new Set(rows.map((row) => row[name])).size > 1),
  );
  const differs = differences(rows, answer.parameters, dimensions);
  /** @type {Map<string, (Mark & { name: string })[]>} */
  const groups = new Map();
  for (const row of rows) {
    const title = dimensions.includes(/** @type {Reports.Dimension} */ (by)) ? labelOf(row, by, known) : "";
    const parts = varying.map((name) => labelOf(row, name, known));
    const name = [...parts, differs(row)].filter(Boolean).join(" · ") || title;
    groups.set(title, [
      ...(groups.get(title) ?? []),
      { name, ...make(row, [title, name].filter((one, at) => one && (at === 0 || one !== title)).join(" · ")) },
    ]);
  }
  return [...groups].map(([name, list]) => ({ name, rows: list }));
}

// Colour and shape of a machine or variant. They do not depend on the filters.
/** @type {(row: Api.ReportRow, dimension: string, known: Reports.Known) => Charts.Look} */
export function look(row, dimension, known) {
  const names = known[dimension === "hardware" ? "hardwareIds" : "variants"];
  const index = Math.max(0, names.indexOf(dimension === "hardware" ? (row.hardware_id ?? "") : row.variant));
  return { colour: colourOf(index), shape: shapeOf(index) };
}

/** @param {string} by */
export const otherThan = (by) => (by === "hardware" ? "variant" : "hardware");
