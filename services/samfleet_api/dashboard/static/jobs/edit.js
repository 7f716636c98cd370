// The name, labels and notes of a job, changed in a dialog.

import { patch } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { nameOf } from "/dashboard/static/format.js";
import { openDialog } from "/dashboard/static/jobs/dialog.js";

/** @param {Record<string, string>} labels */
const written = (labels) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}: ${value}`)
    .join("\n");

// The labels of the text, one per line: "key: value".
/** @param {string} text */
function labelsIn(text) {
  const lines = text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.search(/[:=]/);
      return at < 0 ? [line, ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    }),
  );
}

// The changes as a JSON merge patch: null removes a field or a label.
/** @type {(job: Api.Job, name: string, labels: Record<string, string>, notes: string) => object} */
function changesOf(job, name, labels, notes) {
  const removed = Object.keys(job.labels).filter((key) => !(key in labels));
  return {
    name: name.trim() || null,
    notes: notes.trim() || null,
    labels: { ...labels, ...Object.fromEntries(removed.map((key) => [key, null])) },
  };
}

/** @type {(job: Api.Job, saved: (now: Api.Job) => void) => void} */
export function editJob(job, saved) {
  const name = h("input", { value: job.name ?? "", maxlength: 200 });
  const labels = h("textarea", { rows: 3, placeholder: "team: shelves" }, written(job.labels));
  const notes = h("textarea", { rows: 4, maxlength: 4000 }, job.notes ?? "");
  openDialog({
    title: `Edit ${nameOf(job)}`,
    body: [
      h("label", {}, "Name", name),
      h("label", {}, "Labels, one per line, as key: value", labels),
      h("label", {}, "Notes", notes),
    ],
    submit: "Save",
    act: async () => {
      const changes = changesOf(job, name.value, labelsIn(labels.value), notes.value);
      saved(/** @type {Api.Job} */ (await patch(`/v1/jobs/${job.id}`, changes)));
      return null;
    },
  });
}
