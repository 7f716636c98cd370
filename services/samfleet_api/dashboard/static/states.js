import { h } from "/dashboard/static/dom.js";

export const STATES = ["queued", "running", "paused", "completed", "completed_with_errors", "failed", "cancelled"];
/** @type {Record<string, string>} */
const TONES = { completed: "good", completed_with_errors: "bad", failed: "bad", queued: "wait", paused: "wait" };

// A state as it is read: "completed with errors".
/** @param {string} state */
export const inWords = (state) => state.replaceAll("_", " ");

/** @param {{ state: string }} thing */
export const stateOf = (thing) => h("span", { class: `state ${TONES[thing.state] ?? ""}` }, inWords(thing.state));
