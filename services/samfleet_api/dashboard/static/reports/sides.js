// The two sides of a comparison. Without a choice in the URL they are the two with the most work in common.

import { value } from "/dashboard/static/reports/address.js";

/** @typedef {"hardware" | "variant"} By */
/** @typedef {Map<string, Set<string>>} Work the work of each side: its tasks on their datasets */
/** @typedef {[string | undefined, string | undefined]} Sides */

/** @type {Record<By, { one: string, many: string }>} */
export const NOUNS = { hardware: { one: "machine", many: "machines" }, variant: { one: "variant", many: "variants" } };

// The API pairs rows with the same dataset, task and code version: of one variant with one checkpoint, or on one machine.
/** @type {(known: Reports.Known, by: By) => Work} */
function workOf(known, by) {
  /** @type {Work} */
  const work = new Map();
  for (const row of known.rows) {
    const side = by === "variant" ? row.variant : row.hardware_id;
    if (!side) continue;
    const same = by === "variant" ? [row.hardware_id, row.task_in_words, row.site] : [row.variant, row.parameters];
    work.set(side, (work.get(side) ?? new Set()).add(JSON.stringify([row.dataset, row.code_version, ...same])));
  }
  return work;
}

/** @type {(work: Work, a: string | undefined, b: string | undefined) => number} */
const shared = (work, a, b) => [...(work.get(a ?? "") ?? [])].filter((one) => work.get(b ?? "")?.has(one)).length;

/** @param {Reports.Known} known */
export function by(known) {
  const asked = value("by");
  if (asked === "variant" || asked === "hardware") return asked;
  const named = [value("a"), value("b")].filter(Boolean);
  if (named.length) return named.some((one) => known.variants.includes(one)) ? "variant" : "hardware";
  return closest(known, "hardware").common || known.variants.length < 2 ? "hardware" : "variant";
}

/** @type {(known: Reports.Known) => [string, string][]} */
export const choices = (known) =>
  by(known) === "variant" ? known.variants.map((name) => [name, name]) : [...known.hardware];

/** @type {(known: Reports.Known, kind: By, a?: string, b?: string) => { sides: Sides, common: number }} */
function closest(known, kind, a, b) {
  const work = workOf(known, kind);
  const all = kind === "variant" ? known.variants : known.hardwareIds;
  /** @type {{ sides: Sides, common: number }} */
  let best = { sides: [undefined, undefined], common: -1 };
  for (const left of a ? [a] : all)
    for (const right of b ? [b] : all) {
      const common = shared(work, left, right);
      if (left !== right && common > best.common) best = { sides: [left, right], common };
    }
  return best;
}

// The sides that the URL names are kept even if they have no measurements: the API then explains what is wrong.
/** @type {(known: Reports.Known) => Sides} */
export function sides(known) {
  const a = value("a") || undefined,
    b = value("b") || undefined;
  return a && b && a !== b ? [a, b] : closest(known, by(known), a, a === b ? undefined : b).sides;
}

// Choices of one side; those without work in common with the `other` side say so.
/** @type {(known: Reports.Known, chosen: string | undefined, other: string | undefined) => [string, string][]} */
export function marked(known, chosen, other) {
  const list = choices(known),
    work = workOf(known, by(known));
  /** @type {[string, string][]} */
  const unlisted = chosen === undefined || list.some(([key]) => key === chosen) ? [] : [[chosen, chosen]];
  return [...list, ...unlisted].map(([key, name]) => [
    key,
    key === other || shared(work, key, other) ? name : `${name} (nothing in common)`,
  ]);
}
