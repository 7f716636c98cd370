// Ways to the previous and next image of the run, to the same image of another run, and the keys for both.

import { filter, get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { runName } from "/dashboard/static/job/runs.js";
import { addressOf, GALLERY } from "/dashboard/static/viewer/address.js";
import { choice } from "/dashboard/static/viewer/controls.js";

/** @type {(runId: string, imageId: string) => Promise<Api.Neighbours>} */
export function neighboursOf(runId, imageId) {
  const query = new URLSearchParams();
  for (const name of GALLERY) if (filter(name)) query.set(name, filter(name));
  if (query.get("outcome") === "pending") query.delete("outcome"); // such images have no page
  return get(`/v1/runs/${runId}/images/${imageId}/neighbours${query.size ? `?${query}` : ""}`);
}

// The list that the image was chosen from: all images under filters, or the page of the job.
/** @type {(run: Api.Run) => string} */
export function addressOfJob(run) {
  const query = new URLSearchParams({ run: run.id });
  for (const name of GALLERY) if (filter(name)) query.set(name, filter(name));
  return query.size > 1 ? `/dashboard/jobs/${run.job_id}/images?${query}` : `/dashboard/jobs/${run.job_id}?${query}`;
}

/** @type {(job: Api.Job, run: Api.Run, image: Api.RunImage, near: Api.Neighbours, choices: Viewer.Choices) => HTMLElement} */
export function navigation(job, run, image, near, choices) {
  /** @type {(text: string, key: string, target: Api.Neighbour | null) => HTMLElement} */
  const link = (text, key, target) =>
    target
      ? h("a", { class: "button", href: "#", rel: key, title: target.file_name, "data-image": target.image_id }, text)
      : h("span", { class: "button soft", "aria-disabled": "true" }, text);
  const bar = h(
    "nav",
    { class: "viewer-nav", "aria-label": "Images of the run" },
    link("← Previous", "prev", near.previous),
    h("span", { class: "soft" }, `Image ${count(near.position + 1)} of ${count(near.total)}`),
    link("Next →", "next", near.next),
  );
  // The choices may change until a link is used, so its address is made then.
  const renew = () => {
    for (const one of bar.querySelectorAll("a")) one.href = addressOf(run.id, one.dataset.image ?? "", choices, false);
  };
  renew();
  for (const type of ["pointerover", "focusin", "click"]) bar.addEventListener(type, renew, { capture: true });
  if (job.runs.length > 1) bar.append(runChoice(job, run, image, choices));
  return bar;
}

/** @type {(job: Api.Job, run: Api.Run, image: Api.RunImage, choices: Viewer.Choices) => HTMLElement} */
const runChoice = (job, run, image, choices) =>
  choice(
    "Run",
    job.runs.map((one) => /** @type {[string, string]} */ ([one.id, runName(one, job.runs)])),
    run.id,
    (id) => location.assign(addressOf(id, image.image_id, choices, true)),
  );

// Keys of the page, unless a field or a list uses them.
/** @type {(view: Viewer.View | null, bar: HTMLElement) => void} */
export function addKeys(view, bar) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.defaultPrevented || target.closest("input, select, textarea, [role=grid]")) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const rel = !event.shiftKey && { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (rel) /** @type {HTMLElement | null} */ (bar.querySelector(`a[rel=${rel}]`))?.click();
    else view?.pressKey(event);
  });
}
