// The filters, order and page of the list, in the address under the names of the API's parameters.

import { inWords, STATES } from "/dashboard/static/states.js";

const FILTERS = ["state", "q", "label"];
const OPEN = ["queued", "running", "paused"];

/** @type {[value: string, states: string[], text: string][]} */
export const STATE_CHOICES = [
  ["", [], "any"],
  ["open", OPEN, "open: queued, running or paused"],
  .../** @type {[string, string[], string][]} */ (STATES.map((state) => [state, [state], inWords(state)])),
];

const query = () => new URLSearchParams(location.search);

const statesAsked = () => query().getAll("state");
export const labelsAsked = () => query().getAll("label");
export const textAsked = () => query().get("q") ?? "";
export const sortAsked = () => query().get("sort") ?? "-created_at";
export const hasCursor = () => query().has("cursor");
export const isFiltered = () => FILTERS.some((name) => query().has(name));

// The choice of the state field for the states of the address.
export function stateChoice() {
  const asked = statesAsked();
  return STATE_CHOICES.find(
    ([, states]) => states.length === asked.length && states.every((s) => asked.includes(s)),
  )?.[0];
}

// The address of this list with other values of some parameters, on its first page unless they have a cursor.
/** @param {Record<string, string | string[]>} changes */
export function addressOf(changes) {
  const parameters = query();
  for (const [name, value] of Object.entries({ cursor: "", ...changes })) {
    parameters.delete(name);
    for (const one of [value].flat()) if (one) parameters.append(name, one);
  }
  return location.pathname + (parameters.size ? `?${parameters}` : "");
}

// The parameters of a request to the API: the filters, and with `paged` the order and the page too.
/** @param {{ paged: boolean }} options */
export function parametersOf({ paged }) {
  const asked = query();
  const parameters = new URLSearchParams();
  for (const name of paged ? [...FILTERS, "sort", "cursor"] : FILTERS)
    for (const value of asked.getAll(name)) parameters.append(name, value);
  return parameters;
}

// The same filters as a bulk action takes them.
export const filterOf = () => ({ state: statesAsked(), label: labelsAsked(), ...(textAsked() && { q: textAsked() }) });
