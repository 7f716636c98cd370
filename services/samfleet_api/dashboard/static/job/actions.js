import { hasEnded, post } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";

// One file with the job's figures, charts and sample images.
/** @param {string} id */
export const reportOf = (id) => `/v1/jobs/${id}/report.html`;

/**
 * @typedef {object} Action
 * @property {string} route below the job's address
 * @property {string} text of the button
 * @property {(job: Api.Job) => boolean} offered in the job's state
 * @property {string} [question] asked before
 * @property {boolean} [reload] the page, which does not follow an ended job
 */

/** @type {Action[]} */
const ACTIONS = [
  { route: "pause", text: "Pause the job", offered: (job) => ["queued", "running"].includes(job.state) },
  { route: "resume", text: "Resume the job", offered: (job) => job.state === "paused" },
  {
    route: "retry",
    text: "Retry failed",
    offered: (job) => ["completed_with_errors", "failed"].includes(job.state),
    reload: true,
  },
  {
    route: "cancel",
    text: "Cancel the job",
    offered: (job) => !hasEnded(job),
    question: "Cancel this job? The results recorded so far are kept.",
  },
];

// The buttons that change a job. `update` shows those that its state offers.
/** @param {Api.Job} job */
export function jobActions(job) {
  const problem = h("span", { class: "bad", role: "alert" });
  const buttons = ACTIONS.map((action) => {
    const act = async () => {
      if (action.question && !confirm(action.question)) return;
      button.disabled = true;
      problem.replaceChildren();
      try {
        await post(`/v1/jobs/${job.id}/${action.route}`);
        if (action.reload) location.reload();
      } catch (error) {
        problem.replaceChildren(error.message);
      }
      button.disabled = false;
    };
    const button = h("button", { type: "button", onclick: act }, action.text);
    return { action, button };
  });
  const report = h("a", { class: "button", href: reportOf(job.id), download: "" }, "Report to share (HTML)");
  const again = h("a", { class: "button", href: `/dashboard/new?from=${job.id}` }, "Run again with changes");
  const line = h("p", {}, ...buttons.flatMap(({ button }) => [button, " "]), again, " ", report, " ", problem);
  /** @param {Api.Job} now */
  const update = (now) => {
    for (const { action, button } of buttons) button.hidden = !action.offered(now);
  };
  return Object.assign(line, { update });
}
