// The parameters behind the digests of a report, named by their tasks in words and the variants that ran them.

import { facts, h } from "/dashboard/static/dom.js";
import { flatten, shown } from "/dashboard/static/reports/identity.js";

const MOST_OPEN = 6; // a longer list is folded

/** @param {Api.Report} answer */
export function parametersOf(answer) {
  const all = Object.entries(answer.parameters).map(([digest, parameters]) => ({
    digest,
    parameters,
    ...named(digest, answer.rows),
  }));
  if (!all.length) return null;
  all.sort((one, other) => `${one.task} ${one.variants}`.localeCompare(`${other.task} ${other.variants}`));
  /** @param {typeof all[number]} one */
  const entry = ({ digest, parameters, task, variants }) =>
    h(
      "details",
      { class: "parameters", id: `parameters-${digest}` },
      h("summary", {}, [task, variants].filter(Boolean).join(" · "), " ", h("code", { class: "soft" }, digest)),
      facts(flatten(parameters).map(([path, value]) => [path, shown(value)])),
    );
  return h(
    "details",
    { class: "card", open: all.length <= MOST_OPEN },
    h("summary", {}, h("h2", {}, all.length === 1 ? "Parameters" : `Parameters: ${all.length} sets`)),
    h("p", { class: "soft" }, "Runs with different parameters are never averaged: each set has its own rows."),
    all.map(entry),
  );
}

/** @type {(digest: string, rows: Api.ReportRow[]) => { task: string, variants: string }} */
function named(digest, rows) {
  const all = /** @type {Api.ComparisonRow[]} */ (rows); // the sides' names are absent in other reports
  const ofA = all.filter((row) => row.parameters === digest),
    ofB = all.filter((row) => row.parameters_b === digest);
  const variants = [
    ...ofA.map((row) => row.variant ?? row.a_in_words),
    ...ofB.map((row) => row.variant ?? row.b_in_words),
  ];
  return {
    task: [...ofA, ...ofB][0]?.task_in_words ?? "",
    variants: [...new Set(variants.filter(Boolean))].join(", "),
  };
}

// Open the parameters that the URL's fragment names: tasks in the table link to them.
export function openParameters() {
  const named = location.hash.startsWith("#parameters-") && document.getElementById(location.hash.slice(1));
  if (!named) return;
  for (let one = /** @type {Element | null} */ (named); one; one = one.parentElement)
    if (one instanceof HTMLDetailsElement) one.open = true;
  named.scrollIntoView({ block: "center" });
}
