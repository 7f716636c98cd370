import { get, hasEnded } from "/dashboard/static/api.js";
import { h, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { runName } from "/dashboard/static/job/runs.js";

/** @type {(section: HTMLElement, job: Api.Job) => Promise<void>} */
export async function showFailures(section, job) {
  const { succeeded, failed } = job.counts;
  if (!failed) {
    const text = succeeded || !hasEnded(job) ? "No image has failed." : "No image was segmented, so none has failed.";
    return section.replaceChildren(h("p", { class: "soft" }, text));
  }
  /** @type {Api.FailureGroups} */
  const { items: groups } = await get(`/v1/jobs/${job.id}/errors/groups`);
  const names = new Map(job.runs.map((run) => [run.id, runName(run, job.runs)]));
  /** @param {Api.FailureGroup} group */
  const first = ({ first: one }) =>
    h("a", { href: `/dashboard/runs/${one.run_id}/images/${one.image_id}` }, one.file_name);
  /** @type {(id: string, code: string) => HTMLElement} */
  const link = (id, code) => {
    const query = new URLSearchParams({ run: id, outcome: "failed", error_code: code });
    return h("li", {}, h("a", { href: `/dashboard/jobs/${job.id}/images?${query}` }, names.get(id)));
  };
  section.replaceChildren(
    table(
      "Failures by code and stage",
      [
        { title: "Code", value: (group) => h("code", {}, group.code) },
        { title: "Images", number: true, value: (group) => count(group.images) },
        { title: "Stage", value: (group) => group.stage ?? "–" },
        { title: "First image", value: first },
        { title: "Message", value: (group) => group.message },
        {
          title: "Runs",
          value: (group) =>
            h(
              "ul",
              { class: "plain-list" },
              [...names.keys()].filter((id) => group.run_ids.includes(id)).map((id) => link(id, group.code)),
            ),
        },
      ],
      groups,
    ),
  );
}
