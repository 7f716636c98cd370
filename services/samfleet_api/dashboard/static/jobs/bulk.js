// One action on the chosen jobs: a question, its progress, and what happened to each job.

import { get, post } from "/dashboard/static/api.js";
import { h, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { openDialog } from "/dashboard/static/jobs/dialog.js";

/** @typedef {{ ids: string[] } | { filter: object, most: number }} Chosen the jobs, by id or all that match */
/** @typedef {{ field?: HTMLElement[], body: () => object, ready?: (send: HTMLButtonElement) => void }} Extra of a dialog */
/** @typedef {{ act: () => Promise<HTMLElement[]>, stop: () => Promise<number | null> }} Sending */

/**
 * @typedef {object} Action
 * @property {string} name of the action in the API
 * @property {string} text of its button
 * @property {string} done what was done to the jobs that did not refuse
 * @property {string} explains what it does
 */

/** @type {Action[]} */
export const ACTIONS = [
  {
    name: "pause",
    text: "Pause",
    done: "paused",
    explains: "Images that are being computed are finished; nothing new starts.",
  },
  { name: "resume", text: "Resume", done: "resumed", explains: "Paused jobs continue; others stay as they are." },
  {
    name: "retry",
    text: "Retry failed",
    done: "retried",
    explains: "Failed images are computed again. All results stay until then.",
  },
  {
    name: "export",
    text: "Export",
    done: "exported",
    explains: "A file is built of each run that has ended; the job's page lists it.",
  },
  { name: "cancel", text: "Cancel", done: "cancelled", explains: "The results recorded so far are kept." },
  {
    name: "delete",
    text: "Delete",
    done: "deleted",
    explains: "The masks and results of these jobs are removed for good.",
  },
];

// Delete one job after a typed confirmation.
/** @type {(id: string, deleted: () => void) => Promise<void>} */
export const askAndDelete = (id, deleted) =>
  askAndAct(ACTIONS[ACTIONS.length - 1], { ids: [id] }, (left) => left || deleted());

/** @param {number} number */
export const inWords = (number) => `${count(number)} ${number === 1 ? "job" : "jobs"}`;

/** @type {(chosen: Chosen) => number} */
const sizeOf = (chosen) => ("ids" in chosen ? chosen.ids.length : chosen.most);

// The form that deletes needs a typed confirmation, with the number of jobs.
/** @type {(size: number) => Extra} */
function deletion(size) {
  const wanted = `delete ${size}`;
  const typed = h("input", { autocomplete: "off", autocapitalize: "off", "aria-describedby": "delete-help" });
  const cancel = h("input", { type: "checkbox" });
  const forget = h("input", { type: "checkbox" });
  return {
    field: [
      h("label", { class: "row" }, cancel, "Cancel jobs that still run first; without this they are left as they are"),
      h("label", { class: "row" }, forget, "Also remove their measurements from the reports"),
      h("label", {}, h("span", { id: "delete-help" }, "To confirm, type ", h("strong", {}, wanted)), typed),
    ],
    body: () => ({ cancel: cancel.checked, forget_measurements: forget.checked }),
    ready: (send) => {
      send.disabled = true;
      typed.addEventListener("input", () => {
        send.disabled = typed.value.trim().toLowerCase() !== wanted;
      });
    },
  };
}

/** @type {() => Promise<Extra>} */
async function exporting() {
  /** @type {Api.ExportFormats} */
  const formats = await get("/v1/export-formats");
  const format = h(
    "select",
    {},
    formats.items.map((one) => h("option", { value: one.name }, one.name)),
  );
  return { field: [h("label", {}, "Format", format)], body: () => ({ export: { format: format.value } }) };
}

const MOST_IDS = 1000; // of a request

// The bodies of the requests that name or match the chosen jobs.
/** @param {Chosen} chosen */
function bodiesOf(chosen) {
  if ("filter" in chosen) return [chosen];
  const starts = [...Array(Math.ceil(chosen.ids.length / MOST_IDS)).keys()].map((part) => part * MOST_IDS);
  return starts.map((start) => ({ job_ids: chosen.ids.slice(start, start + MOST_IDS) }));
}

// Send requests one after the other until all jobs are done or `stopped` says so.
/** @type {(bodies: object[], told: (done: number) => void, stopped: () => boolean) => Promise<Api.ActedOn[]>} */
async function carryOut(bodies, told, stopped) {
  /** @type {Api.ActedOn[]} */
  const items = [];
  for (const body of bodies) {
    let cursor = "";
    do {
      if (stopped()) return items;
      const place = cursor && `?${new URLSearchParams({ cursor })}`;
      const page = /** @type {Api.ActedOnJobs} */ (await post(`/v1/job-actions${place}`, body));
      items.push(...page.items);
      told(items.length);
      cursor = page.next ?? "";
    } while (cursor);
  }
  return items;
}

/** @param {Api.ActedOn} item */
const linkOf = (item) => {
  const text = item.name ?? `Job ${item.job_id.slice(0, 8)}`;
  return item.state === null ? text : h("a", { href: `/dashboard/jobs/${item.job_id}` }, text);
};

/** @type {(action: Action, items: Api.ActedOn[], size: number) => HTMLElement[]} */
function outcome(action, items, size) {
  const refused = items.filter((item) => item.error);
  const left = size > items.length ? ` ${inWords(size - items.length)} left as they were.` : "";
  const said = h("p", { role: "status" }, `${inWords(items.length - refused.length)} ${action.done}.${left}`);
  if (!refused.length) return [said];
  const list = table(
    "Jobs that could not be changed",
    [
      { title: "Job", value: linkOf },
      { title: "Why", value: ({ error }) => `${error?.message} (${error?.code})` },
    ],
    refused,
  );
  return [said, h("p", { class: "bad" }, `${inWords(refused.length)} could not be changed:`), list];
}

// Send the requests of a dialog. `stop` lets the one in flight end and returns the number of jobs that were not changed,
// null if nothing was sent.
/** @type {(action: Action, chosen: Chosen, extra: Extra, bar: HTMLElement & { value: number }) => Sending} */
function sending(action, chosen, extra, bar) {
  const size = sizeOf(chosen);
  let open = true,
    left = size;
  /** @type {Promise<unknown> | null} */
  let running = null;
  const send = async () => {
    bar.hidden = false;
    const bodies = bodiesOf(chosen).map((jobs) => ({ action: action.name, ...jobs, ...extra.body() }));
    /** @param {number} done */
    const told = (done) => {
      bar.value = done;
    };
    const items = await carryOut(bodies, told, () => !open);
    left = size - items.filter((item) => !item.error).length;
    return outcome(action, items, size);
  };
  const act = () => {
    const answer = send();
    running = answer.catch(() => {}); // the dialog shows the error
    return answer;
  };
  const stop = async () => {
    open = false;
    await running;
    return running && left;
  };
  return { act, stop };
}

// Ask, act and report. `acted` is called with the number of jobs that were not changed, when the dialog is closed and no
// request is in flight.
/** @type {(action: Action, chosen: Chosen, acted: (left: number) => unknown) => Promise<void>} */
export async function askAndAct(action, chosen, acted) {
  const size = sizeOf(chosen);
  /** @type {Extra} */
  const extra =
    action.name === "delete" ? deletion(size) : action.name === "export" ? await exporting() : { body: () => ({}) };
  const bar = h("progress", { max: size, value: 0, hidden: true, "aria-label": "Jobs done" });
  const { act, stop } = sending(action, chosen, extra, bar);
  const { send } = openDialog({
    title: `${action.text}: ${inWords(size)}`,
    body: [h("p", {}, action.explains), ...(extra.field ?? []), bar],
    submit: `${action.text} ${inWords(size)}`,
    dangerous: ["cancel", "delete"].includes(action.name),
    act,
    closed: async () => {
      const left = await stop();
      if (left !== null) acted(left);
    },
  });
  extra.ready?.(send);
}
