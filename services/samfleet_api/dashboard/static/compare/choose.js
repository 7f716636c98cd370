// Fields that choose up to four runs, and what each run is in words.

import { byAnnotations, go, MOST_RUNS } from "/dashboard/static/compare/address.js";
import { sameImages, titleOf, withResults } from "/dashboard/static/compare/runs.js";
import { facts, h } from "/dashboard/static/dom.js";
import { count, moment, nameOf } from "/dashboard/static/format.js";

const ANNOTATIONS = "annotations";

/** @type {(sides: Compare.Side[], jobs: Api.Job[], changed: () => void) => HTMLElement} */
export function chooser(sides, jobs, changed) {
  const filled = Math.max(sides.length, byAnnotations() ? 1 : 0);
  const fields = Array.from({ length: Math.min(filled + 1, MOST_RUNS) }, (_, index) =>
    field(sides, index, jobs, changed),
  );
  return h("div", { class: "filters", role: "group", "aria-label": "Runs to compare" }, fields);
}

/** @type {(sides: Compare.Side[], index: number, jobs: Api.Job[], changed: () => void) => HTMLElement} */
function field(sides, index, jobs, changed) {
  const own = sides[index]?.annotations ? undefined : sides[index];
  const truth = byAnnotations();
  const known = own && !jobs.some((job) => job.id === own.job.id) ? [own.job, ...jobs] : jobs;
  const groups = known
    .filter((job) => !index || !sides.length || (truth && index === 1) || sameImages(job, sides[0].job))
    .map((job) => group(job, sides, own?.run.id))
    .filter((one) => one.childElementCount > 0);
  const none = h("option", { value: "", selected: !own }, index < 2 ? "Choose a run" : "No further run");
  const annotations = h("option", { value: ANNOTATIONS, selected: truth }, "The dataset's annotations");
  const select = h("select", { class: "compare-run" }, none, index ? null : annotations, ...groups);
  select.addEventListener("change", () => {
    go({ ...chosenWith(sides, index, select.value), variant: null, dataset: null, against: null, sort: null });
    changed();
  });
  return h("label", {}, index ? `Run ${"ABCD"[index]}` : "A, the reference", select);
}

// The runs and the reference of the URL after a choice. All runs stay if the annotations become the reference.
/** @type {(sides: Compare.Side[], index: number, value: string) => Record<string, string | string[] | null>} */
function chosenWith(sides, index, value) {
  const truth = index ? byAnnotations() : value === ANNOTATIONS;
  const ids = sides.map((side) => (side.annotations ? "" : side.run.id));
  if (value !== ANNOTATIONS) ids[index] = value;
  return { run: ids.filter(Boolean), reference: truth ? ANNOTATIONS : null, image: index ? keptImage() : null };
}

const keptImage = () => new URLSearchParams(location.search).get("image");

/** @type {(job: Api.Job, sides: Compare.Side[], own: string | undefined) => HTMLElement} */
function group(job, sides, own) {
  const taken = new Set(sides.map((side) => side.run.id).filter((id) => id !== own));
  const options = withResults([job])
    .filter(({ run }) => !taken.has(run.id))
    .map(({ run }) => h("option", { value: run.id, selected: run.id === own }, `${run.variant} on ${run.pool}`));
  const label = `${nameOf(job)}: ${job.task_in_words}, ${job.dataset_name ?? "deleted dataset"}, ${moment(job.created_at)}`;
  return h("optgroup", { label }, options);
}

/** @param {Compare.Side[]} sides */
export const described = (sides) => h("div", { class: "compare-sides" }, sides.map(card));

/** @param {Compare.Side} side */
function card(side) {
  const { run, job } = side;
  if (side.annotations) return annotationsCard(side);
  const hardware = [...new Set(run.hardware.map((one) => one.device_name))].join(", ");
  return h(
    "section",
    { class: "card" },
    h("h2", {}, titleOf(side), side.letter === "A" ? h("span", { class: "soft" }, " (reference)") : null),
    facts([
      ["Task", job.task_in_words],
      ["Dataset", job.dataset_name],
      ["Hardware", hardware || "not measured yet"],
      ["Job", h("a", { href: `/dashboard/jobs/${job.id}?run=${run.id}` }, nameOf(job))],
      ["Images", `${count(run.counts.succeeded)} segmented, ${count(run.counts.failed)} failed`],
    ]),
  );
}

/** @param {Compare.Side} side */
const annotationsCard = (side) =>
  h(
    "section",
    { class: "card" },
    h("h2", {}, titleOf(side), h("span", { class: "soft" }, " (reference)")),
    facts([
      ["Dataset", side.job.dataset_name],
      ["Objects", side.run.quality && count(side.run.quality.instances)],
    ]),
  );
