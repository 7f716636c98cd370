// Pools, name, labels, notes and priority of the job.

import { h } from "/dashboard/static/dom.js";
import { errorPlace, labelled } from "/dashboard/static/new/fields.js";
import { imagesOf } from "/dashboard/static/new/words.js";

/** @typedef {import("/dashboard/static/new/setting_field.js").Schema} Schema */

/** @type {(pools: Api.Pool[], changed: () => void) => { element: HTMLElement, read(): string[], fill(names: string[]): void }} */
export function poolChoice(pools, changed) {
  const boxes = pools.map(({ name }, index) =>
    h("input", { type: "checkbox", value: name, id: `new-pool-${name}`, checked: index === 0, onchange: changed }),
  );
  const rows = pools.map((pool, index) =>
    h(
      "label",
      { class: "row", for: boxes[index].id },
      boxes[index],
      h(
        "span",
        {},
        pool.name,
        h("span", { class: "small block", "data-tone": pool.ready ? "good" : "wait" }, stateOf(pool)),
      ),
    ),
  );
  return {
    element: h(
      "div",
      {},
      h("div", { class: "new-choices", role: "group", "aria-label": "Pools" }, rows),
      errorPlace("pools"),
    ),
    read: () => boxes.filter(({ checked }) => checked).map(({ value }) => value),
    fill: (names) => {
      for (const box of boxes) box.checked = names.includes(box.value);
    },
  };
}

/** @param {Api.Pool} pool */
function stateOf({ ready, workers, devices, queue }) {
  const machine = [...new Set(devices.map(({ name }) => name))].join(", ");
  const state = ready
    ? "ready"
    : workers.length
      ? "its Triton server is not ready"
      : "no worker runs, so the job will wait";
  const waiting = queue.images_waiting + queue.images_in_progress;
  return [state, machine, waiting ? `${imagesOf(waiting)} of earlier jobs first` : ""].filter(Boolean).join(", ");
}

/** @typedef {{ element: HTMLElement, read(): Record<string, unknown>, fill(job: Api.Job): void }} Details */

/** @type {(schema: Record<string, Schema>, changed: () => void) => Details} */
export function detailFields(schema, changed) {
  const name = h("input", { maxlength: 200, oninput: changed });
  const labels = h("input", { placeholder: "team:shelves, round:2", oninput: changed });
  const notes = h("textarea", { rows: 2, maxlength: 4000, oninput: changed });
  const { minimum, maximum, default: usual } = schema.priority;
  const priority = h("input", {
    type: "number",
    min: minimum,
    max: maximum,
    step: 1,
    value: String(usual),
    oninput: changed,
  });
  const keep = h("input", { type: "number", min: 1, step: 1, placeholder: "the server's default", oninput: changed });
  const rate = h("input", { type: "number", min: 0, max: 1, step: "any", value: "1", oninput: changed });
  const reuse = h("input", { type: "checkbox", id: "new-reuse", onchange: changed });
  const element = h(
    "div",
    {},
    h(
      "div",
      { class: "filters" },
      labelled("name", "Name", name),
      labelled("labels", "Labels", labels, "key:value, separated by commas"),
      labelled(
        "priority",
        "Priority",
        priority,
        `${minimum} to ${maximum}; each step doubles its share of your images`,
      ),
    ),
    labelled("notes", "Notes", notes),
    h(
      "details",
      {},
      h("summary", {}, "More"),
      h(
        "div",
        { class: "filters" },
        labelled("keep_days", "Days to keep it", keep),
        labelled("max_failure_rate", "Share of images that may fail", rate, "0 to 1"),
        h(
          "div",
          { class: "new-field" },
          h("label", { class: "row", for: reuse.id }, reuse, "Reuse results of earlier runs"),
          errorPlace("reuse_results"),
        ),
      ),
    ),
  );
  return {
    element,
    read: () => ({
      name: name.value.trim() || null, // null clears what the earlier job has
      labels: labelsOf(labels.value),
      notes: notes.value.trim() || null,
      ...(priority.value ? { priority: Number(priority.value) } : {}),
      keep_days: keep.value ? Number(keep.value) : null,
      ...(rate.value ? { max_failure_rate: Number(rate.value) } : {}),
      ...(reuse.checked ? { reuse_results: true } : {}),
    }),
    fill(job) {
      name.value = job.name ?? "";
      labels.value = Object.entries(job.labels)
        .map((pair) => pair.join(":"))
        .join(", ");
      notes.value = job.notes ?? "";
      priority.value = String(job.priority);
      keep.value = job.keep_days === null ? "" : String(job.keep_days);
      rate.value = ""; // the reply does not have it; left out, it is that of the earlier job
      rate.placeholder = "as in the earlier job";
      reuse.checked = job.reuse_results;
    },
  };
}

/** @param {string} text */
function labelsOf(text) {
  const pairs = text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => [pair.split(":")[0].trim(), pair.split(":").slice(1).join(":").trim()]),
  );
}
