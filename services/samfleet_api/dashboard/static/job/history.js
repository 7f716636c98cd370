import { get } from "/dashboard/static/api.js";
import { h, table } from "/dashboard/static/dom.js";
import { inWords } from "/dashboard/static/states.js";
import { timeOf } from "/dashboard/static/times.js";

const SHOWN = 50;

/** @param {Api.JobChange} change */
function what({ from_state: before, to_state: after }) {
  if (before === null) return "created";
  return before === after ? "changed" : `${inWords(before)} → ${inWords(after)}`;
}

/** @param {Api.JobChange[]} changes */
const changesTable = (changes) =>
  table(
    "Changes, newest first",
    [
      { title: "When", value: (change) => timeOf(change.at) },
      { title: "Of", value: (change) => (change.run_id ? `${change.variant} on ${change.pool}` : "the job") },
      { title: "Change", value: what },
      { title: "By", value: (change) => change.key ?? change.actor },
      { title: "Why", value: (change) => change.reason ?? "" },
    ],
    changes,
  );

/** @type {(section: HTMLElement, job: Api.Job) => Promise<void>} */
export async function showHistory(section, job) {
  /** @type {(cursor: string, earlier: Api.JobChange[]) => Promise<void>} */
  const showFrom = async (cursor, earlier) => {
    /** @type {Api.JobChangePage} */
    const page = await get(`/v1/jobs/${job.id}/history?limit=${SHOWN}${cursor}`);
    const changes = [...earlier, ...page.items];
    const next = page.next;
    const more =
      next && h("button", { type: "button", onclick: () => showFrom(`&cursor=${next}`, changes) }, "Older changes");
    section.replaceChildren(changesTable(changes), ...(more ? [h("p", {}, more)] : []));
  };
  await showFrom("", []);
}
