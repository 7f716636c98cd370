// The exports of a job's runs: progress, file, hash, and what can be done with each.

import { h } from "/dashboard/static/dom.js";
import { titleOf } from "/dashboard/static/exports/formats.js";
import { changedOptions } from "/dashboard/static/exports/options.js";
import { bytes, moment, percent } from "/dashboard/static/format.js";

/** @type {Record<string, string>} */
const TONES = { completed: "good", queued: "wait", running: "wait", failed: "bad" };

/** @param {Api.Export} made */
export const isOpen = (made) => made.state === "queued" || made.state === "running";

/** @param {Api.Export} made */
function stateOf(made) {
  const done = made.state === "running" ? `, ${percent(made.progress)} of the images read` : "";
  return h("span", { class: `state ${TONES[made.state] ?? ""}` }, made.state + done);
}

/** @param {string} sha256 */
function checksum(sha256) {
  /** @type {HTMLButtonElement} */
  const copy = h(
    "button",
    {
      type: "button",
      onclick: async () => {
        await navigator.clipboard.writeText(sha256);
        copy.replaceChildren("Copied");
      },
    },
    "Copy",
  );
  return h("details", {}, h("summary", {}, "SHA-256"), h("code", { class: "hash" }, sha256), copy);
}

/** @type {(file: Exports.File, options: Api.OptionHelp[], actions: Exports.Actions) => HTMLElement} */
function row({ made, runName }, options, { remove }) {
  const title = titleOf(made.format),
    kept = made.expires_at
      ? `deleted after ${moment(made.expires_at)}`
      : made.keep_days && `kept ${made.keep_days} days`;
  const facts = [
    runName,
    made.bytes === null ? "" : bytes(made.bytes),
    changedOptions(made, options) || "default options",
    `requested ${moment(made.created_at)}`,
    kept || "kept as long as the job",
  ];
  const verb = isOpen(made) ? "Cancel" : "Delete";
  const link = h(
    "a",
    {
      class: "download",
      href: `/v1/exports/${made.id}/file`,
      download: made.file_name,
      "aria-label": `Download ${made.file_name}`,
    },
    "Download",
  );
  return h(
    "li",
    { class: "card", "data-export": made.id },
    h("div", { class: "head" }, h("h4", {}, `${title}: ${made.file_name}`), stateOf(made)),
    isOpen(made) ? h("progress", { max: 1, value: made.progress, "aria-label": `Progress of ${title}` }) : null,
    made.error ? h("p", { class: "bad" }, `${made.error.message} (${made.error.code})`) : null,
    made.outdated
      ? h("p", { class: "wait" }, "Its results are those before a retry. Export again for the newest.")
      : null,
    h("p", { class: "soft" }, facts.filter(Boolean).join(" · ")),
    h(
      "div",
      { class: "pages" },
      made.state === "completed" ? link : null,
      h("button", { type: "button", "aria-label": `${verb} ${title}`, onclick: () => remove(made) }, verb),
      made.sha256 ? checksum(made.sha256) : null,
    ),
  );
}

/** @type {(files: Exports.File[], options: Api.OptionHelp[], actions: Exports.Actions) => HTMLElement | string} */
export function filesOf(files, options, actions) {
  if (!files.length) return "";
  const rows = files.map((file) => row(file, options, actions));
  return h("div", {}, h("h3", {}, "Files"), h("ul", { class: "exports", "aria-label": "Exports, newest first" }, rows));
}
