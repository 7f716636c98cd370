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

// Return a function: row => the parameters that distinguish it from rows of the same dimensions, or "".
/**
 * @param {Api.ReportRow[]} rows
 * @param {Api.Report["parameters"]} parameters
 * @param {Reports.Dimension[]} dimensions
 * @returns {(row: Api.ReportRow) => string}
 */
export function differences(rows, parameters, dimensions) {
  /** @type {Map<string, Api.ReportRow[]>} */
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify(dimensions.map((name) => (name === "hardware" ? row.hardware_id : row[name])));
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  /** @type {Map<Api.ReportRow, string>} */
  const found = new Map();
  for (const group of groups.values()) {
    const described = group.map((row) => {
      const { task, ...others } = parameters[row.parameters] ?? {};
      return new Map([["site", row.site], ["code", row.code_version], [TASK, row.task_in_words], ...flatten(others)]);
    });
    const names = [...new Set(described.flatMap((one) => [...one.keys()]))].filter(
      (name) => new Set(described.map((one) => shown(one.get(name)))).size > 1,
    );
    group.forEach((row, index) => {
      const apart = names.map((name) =>
        [name !== TASK && leaf(name), shown(described[index].get(name))].filter(Boolean).join(" "),
      );
      found.set(row, apart.join(", "));
    });
  }
  return (row) => found.get(row) ?? "";
}

/** @param {Api.ReportRow[]} rows */
export const keysOf = (rows) => DIMENSIONS.filter((name) => rows.length && name in rows[0]);

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
