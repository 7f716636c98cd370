// The expected time, cost and size of the job, with their spread and how each is known.

import { h } from "/dashboard/static/dom.js";
import { bytes, count, duration, rate } from "/dashboard/static/format.js";
import { imagesOf } from "/dashboard/static/new/words.js";

/** @typedef {{ title: string, figure: Api.EstimatedFigure, words: (value: number) => string }} Line */

const UNMEASURED = "not measured yet";

/** @type {(estimate: Api.JobEstimate) => HTMLElement} */
export function estimateView({ runs, total, notes }) {
  const each = runs.map((run) => {
    const speed = run.images_per_second ? ` (${rate(run.images_per_second)})` : "";
    return h("div", { class: "estimated" }, h("h3", {}, `${run.variant} on ${run.pool}${speed}`), lines(run, true));
  });
  const details = h(
    "details",
    {},
    h("summary", {}, runs.length > 1 ? `Each of ${count(runs.length)} runs` : "How this is known"),
    ...each,
  );
  return h(
    "div",
    {},
    h("p", {}, `${imagesOf(total.images)}${runs.length > 1 ? `, in ${count(runs.length)} runs` : ""}`),
    lines(total, false),
    details,
    ...notes.map((note) => h("p", { class: "small soft" }, sentence(note))),
  );
}

/** @type {(figures: Api.EstimatedFigures, sources: boolean) => HTMLElement} */
function lines(figures, sources) {
  const money = (/** @type {number} */ value) => `${value.toPrecision(3)} ${figures.currency}`;
  const size = (/** @type {number} */ value) => bytes(Math.round(value));
  /** @type {Line[]} */
  const all = [
    { title: "Time", figure: figures.seconds, words: time },
    { title: "Cost", figure: figures.cost, words: money },
    { title: "Database", figure: figures.database_bytes, words: size },
    { title: "Masks", figure: figures.object_bytes, words: size },
  ];
  return h(
    "dl",
    {},
    all.flatMap((line) => [h("dt", {}, line.title), h("dd", {}, ...valueWords(line, sources))]),
  );
}

/** @type {(line: Line, sources: boolean) => Dom.Child[]} */
function valueWords({ figure, words }, sources) {
  const source = h("span", { class: "small soft block" }, sentence(figure.source));
  if (figure.value === null)
    return [h("span", { class: "soft" }, figure.source.startsWith(UNMEASURED) ? UNMEASURED : "not known"), source];
  const spread = figure.low === null || figure.high === null ? null : `${words(figure.low)} to ${words(figure.high)}`;
  return [
    words(figure.value),
    spread && spread !== `${words(figure.value)} to ${words(figure.value)}`
      ? h("span", { class: "soft" }, ` (${spread})`)
      : null,
    sources ? source : null,
  ];
}

/** @param {number} seconds */
const time = (seconds) => (seconds < 10 ? `${seconds.toPrecision(2)} s` : duration(seconds));

/** @param {string} text */
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
