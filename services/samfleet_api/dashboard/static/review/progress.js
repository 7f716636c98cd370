// Progress of the reviews of a job's runs, with a link to the next image to review.

import { get } from "/dashboard/static/api.js";
import { h, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { runName } from "/dashboard/static/job/runs.js";

/** @param {Api.PersonReview} person */
function personInWords({ key, actor, accepted, rejected, deleted }) {
  return `${key ?? actor} ${count(accepted + rejected + deleted)}`;
}

/** @type {(run: Api.RunReviewCounts, name: string) => HTMLElement} */
function imagesDone({ images }, name) {
  const bar = h("progress", { max: images.total, value: images.reviewed, "aria-label": `Reviewed images of ${name}` });
  return h("div", { class: "review-bar" }, bar, h("span", {}, `${count(images.reviewed)} of ${count(images.total)}`));
}

/** @type {(run: Api.RunReviewCounts, name: string) => HTMLElement} */
function reviewLink({ run_id: id, images }, name) {
  const problem = h("span", { class: "bad", role: "alert" });
  const follow = async () => {
    try {
      /** @type {Api.ImageToReview} */
      const { image_id: image } = await get(`/v1/runs/${id}/review/next`);
      if (image === null) problem.replaceChildren("every image is reviewed");
      else location.assign(`/dashboard/runs/${id}/images/${image}`);
    } catch (error) {
      problem.replaceChildren(error.message);
    }
  };
  const text = images.reviewed >= images.total ? "All reviewed" : images.started ? "Continue" : "Review";
  const disabled = images.reviewed >= images.total;
  const button = h("button", { type: "button", disabled, onclick: follow, "aria-label": `${text}: ${name}` }, text);
  return h("div", {}, button, problem);
}

/** @type {(section: HTMLElement, job: Api.Job) => Promise<void>} */
export async function showReviews(section, job) {
  /** @type {Api.JobReview} */
  const { items } = await get(`/v1/jobs/${job.id}/review`);
  const rows = items.filter((run) => run.images.total);
  if (!rows.length) {
    const text = "Masks can be reviewed as soon as an image is segmented.";
    return section.replaceChildren(h("p", { class: "soft" }, text));
  }
  const names = new Map(job.runs.map((run) => [run.id, runName(run, job.runs)]));
  /** @param {Api.RunReviewCounts} run */
  const nameOf = (run) => names.get(run.run_id) ?? run.run_id;
  /** @type {(title: string, state: "accepted" | "rejected" | "deleted" | "undecided") => Dom.Column<Api.RunReviewCounts>} */
  const masks = (title, state) => ({ title, number: true, value: (run) => count(run.masks[state]) });
  section.replaceChildren(
    table(
      "Decisions about masks, by run",
      [
        { title: "Run", value: nameOf },
        { title: "Reviewed images", value: (run) => imagesDone(run, nameOf(run)) },
        masks("Accepted", "accepted"),
        masks("Rejected", "rejected"),
        masks("Deleted", "deleted"),
        masks("Undecided", "undecided"),
        { title: "Masks by reviewer", value: (run) => run.people.map(personInWords).join(", ") || "–" },
        { title: "Review", value: (run) => reviewLink(run, nameOf(run)) },
      ],
      rows,
    ),
  );
}
