// The comparison of all images of two runs: a button that requests it, its progress, and its sums.

import { get, post } from "/dashboard/static/api.js";
import { h, notice } from "/dashboard/static/dom.js";
import { count, percent } from "/dashboard/static/format.js";

const POLL_MS = 1000;

/** @type {(a: Compare.Side, b: Compare.Side) => Promise<Api.Comparison | null>} */
export async function comparisonOf(a, b) {
  /** @type {Api.ComparisonPage} */
  const page = await get(`/v1/comparisons?run_a=${a.run.id}&run_b=${b.run.id}&limit=1`);
  return page.items[0] ?? null;
}

// Show the comparison in `section`, and follow it until it ends; `ready` is called when it has new images to list.
/** @type {(section: HTMLElement, a: Compare.Side, b: Compare.Side, found: Api.Comparison | null, ready: (found: Api.Comparison) => void) => void} */
export function showSummary(section, a, b, found, ready) {
  /** @param {Api.Comparison} now */
  const follow = async (now) => {
    section.replaceChildren(...parts(now));
    if (now.state === "completed" || now.state === "failed") {
      if (now.state === "completed") ready(now);
      return;
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (!section.isConnected) return;
    /** @type {Api.Comparison} */
    const next = await get(`/v1/comparisons/${now.id}`);
    await follow(next);
  };
  const request = async () => {
    const wish = { run_a: a.run.id, run_b: b.run.id };
    const made = /** @type {Api.Comparison} */ (await post("/v1/comparisons", wish));
    await follow(made);
  };
  /** @param {Api.Comparison} now */
  const parts = (now) => {
    if (now.state === "failed") return [failed(now), button("Compare again", request, section)];
    if (now.outdated)
      return [sums(now, b), h("p", { class: "wait" }, OUTDATED), button("Compare again", request, section)];
    return [now.state === "completed" ? sums(now, b) : progress(now)];
  };
  if (found) follow(found).catch((error) => section.replaceChildren(problem(error)));
  else section.replaceChildren(...unasked(a, b, request, section));
}

const OUTDATED = "A retry has changed the results of a run since.";

/** @type {(a: Compare.Side, b: Compare.Side, request: () => Promise<void>, section: HTMLElement) => Node[]} */
function unasked(a, b, request, section) {
  const open = [a, b].filter(({ run }) => !["completed", "failed", "cancelled"].includes(run.state));
  if (open.length) {
    const letters = open.map((side) => side.letter).join(" and ");
    return [h("p", { class: "soft" }, `All images can be compared when run ${letters} has ended.`)];
  }
  const text = `Match the masks of all images of ${a.letter} and ${b.letter}, and rank the images by how much they differ.`;
  return [h("p", { class: "soft" }, text), button("Compare all images", request, section)];
}

/** @type {(text: string, request: () => Promise<void>, section: HTMLElement) => HTMLElement} */
function button(text, request, section) {
  const made = h("button", { type: "button", class: "main" }, text);
  made.addEventListener("click", () => {
    made.disabled = true;
    request().catch((error) => section.replaceChildren(problem(error), button(text, request, section)));
  });
  return made;
}

/** @param {Error} error */
const problem = (error) => h("p", { class: "bad", role: "alert" }, error.message);

/** @param {Api.Comparison} now */
const failed = (now) =>
  notice("The comparison failed", now.error ? `${now.error.message} (${now.error.code})` : "No reason was recorded.");

/** @param {Api.Comparison} now */
function progress(now) {
  const done = now.summary ? `, ${count(now.summary.images)} images so far` : "";
  return h(
    "div",
    { role: "status" },
    h("p", {}, `${now.state === "queued" ? "Waiting for a worker" : `Comparing: ${percent(now.progress)}`}${done}.`),
    h("progress", { max: 1, value: now.progress, "aria-label": "Images compared" }),
  );
}

/** @type {(now: Api.Comparison, other: Compare.Side) => HTMLElement} */
function sums(now, other) {
  const sum = now.summary;
  if (!sum) return notice("Nothing to compare", "No image was segmented in both runs.");
  /** @type {[string, string, string][]} */
  const figures = [
    ["Agreement", sum.agreement.toFixed(3), "panoptic quality, 0 to 1"],
    ["Mean IoU of pairs", sum.mean_iou === null ? "no pairs" : sum.mean_iou.toFixed(3), ""],
    ["Matched", count(sum.matched), `${percent(sum.masks_a ? sum.matched / sum.masks_a : 0)} of A's masks`],
    ["Changed", count(sum.changed), "matched, IoU below 0.9"],
    ["Lost", count(sum.lost), `of ${count(sum.masks_a)} masks in A`],
    ["Gained", count(sum.gained), `of ${count(sum.masks_b)} masks in ${other.letter}`],
    ["Images", count(sum.images), "segmented in both runs"],
  ];
  const item = ([name, value, note] = figures[0]) =>
    h(
      "div",
      {},
      h("dt", {}, name),
      h("dd", {}, h("strong", {}, value), note && h("span", { class: "soft" }, ` ${note}`)),
    );
  return h("dl", { class: "compare-sums" }, figures.map(item));
}
