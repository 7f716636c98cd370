// Names of report rows. A row never averages over different parameters, code versions or sites, so two rows may have the
// same variant and hardware. Their names then include what differs between them.

import { colourOf, shapeOf } from "/dashboard/static/charts/plot.js";

const DIMENSIONS = ["variant", "hardware", "stage", "batch_size", "precision", "job", "day", "pool", "dataset"];
const TASK = "task"; // described in words, so it needs no name before its value
const HASH = /^[0-9a-f]{40,}$/;

export function labelOf(row, dimension, known) {
  const one = row[dimension];
  if (one === null || one === undefined) return dimension === "hardware" ? "no hardware" : "–";
  if (dimension === "job") return known.jobs.get(one) ?? `Job ${one.slice(0, 8)}`;
  if (dimension === "batch_size") return one === 0 ? "no batch" : `batches of ${one}`;
  return String(one);
}

export function flatten(parameters, prefix = "") {
  return Object.entries(parameters ?? {}).flatMap(([name, one]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    return one !== null && typeof one === "object" && !Array.isArray(one) ? flatten(one, path) : [[path, one]];
  });
}

export const shown = (one) =>
  typeof one === "string" && HASH.test(one)
    ? one.slice(0, 12)
    : Array.isArray(one)
      ? one.join(", ")
      : String(one ?? "none");

const leaf = (path) => path.split(".").pop().replaceAll("_", " ");

// Return a function: row => the parameters that distinguish it from rows of the same dimensions, or "".
export function differences(rows, parameters, dimensions) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify(dimensions.map((name) => (name === "hardware" ? row.hardware_id : row[name])));
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const found = new Map();
  for (const group of groups.values()) {
    const described = group.map((row) => {
      const { task, ...others } = parameters[row.parameters] ?? {};
      return new Map([["site", row.site], ["code", row.code_version], [TASK, row.task_in_words], ...flatten(others)]);
    });
    const names = [...new Set(described.flatMap((one) => [...one.keys()]))].filter(
      (name) => new Set(described.map((one) => shown(one.get(name)))).size > 1,
    );
    group.forEach((row, index) =>
      found.set(row, names
          .map((name) => [name !== TASK && leaf(name), shown(described[index].get(name))].filter(Boolean).join(" "))
          .join(", ")),
    );
  }
  return (row) => found.get(row) ?? "";
}

export const keysOf = (rows) => DIMENSIONS.filter((name) => rows.length && name in rows[0]);

// Group rows by the dimension `by` and name them by all the other dimensions that vary.
export function grouped(rows, answer, known, by, make) {
  const dimensions = keysOf(rows).filter((name) => name !== "day");
  const varying = dimensions.filter(
    (name) => name !== by && (["variant", "hardware"].includes(name) || new Set(rows.map((row) => row[name])).size > 1),
  );
  const differs = differences(rows, answer.parameters, dimensions);
  const groups = new Map();
  for (const row of rows) {
    const title = dimensions.includes(by) ? labelOf(row, by, known) : "";
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
export function look(row, dimension, known) {
  const names = known[dimension === "hardware" ? "hardwareIds" : "variants"];
  const index = Math.max(0, names.indexOf(dimension === "hardware" ? row.hardware_id : row.variant));
  return { colour: colourOf(index), shape: shapeOf(index) };
}

export const otherThan = (by) => (by === "hardware" ? "variant" : "hardware");
