import { filter, get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { FILTERS, RANGES } from "/dashboard/static/gallery/choice.js";
import { notDone } from "/dashboard/static/gallery/tiles.js";
import { runName } from "/dashboard/static/job/runs.js";

/** @type {Record<string, { title: string, step: string, max: number | null }>} */
const FIGURES = {
  mask_count: { title: "Masks", step: "1", max: null },
  predicted_iou: { title: "Predicted IoU", step: "any", max: 1 },
  iou: { title: "IoU", step: "any", max: 1 },
};
/** @type {[string, string][]} */
const ORDERS = [
  ["", "order of the dataset"],
  ["mask_count", "fewest masks"],
  ["-mask_count", "most masks"],
  ["predicted_iou", "lowest predicted IoU"],
  ["-predicted_iou", "highest predicted IoU"],
  ["-image_ms", "slowest"],
  ["image_ms", "fastest"],
];
/** @type {[string, string][]} */
const ORDERS_BY_IOU = [
  ["iou", "lowest IoU"],
  ["-iou", "highest IoU"],
];

/** @type {[string, string][]} */
const REVIEWS = [
  ["", "any"],
  ["unreviewed", "not reviewed"],
  ["reviewed", "reviewed"],
  ["rejected", "with rejected masks"],
];

/** @type {(label: string, options: [string, string][], value: string, change: (value: string) => void) => HTMLElement} */
function choice(label, options, value, change) {
  const known = options.some(([one]) => one === value)
    ? options
    : [...options, /** @type {[string, string]} */ ([value, value])];
  /** @param {Dom.FieldEvent<HTMLSelectElement>} event */
  const chosen = (event) => change(event.target.value);
  const select = h(
    "select",
    { onchange: chosen },
    known.map(([one, text]) => h("option", { value: one, selected: one === value }, text)),
  );
  return h("label", {}, label, select);
}

/** @type {(figure: string, change: Gallery.Change) => HTMLElement} */
function range(figure, change) {
  const { title, step, max } = FIGURES[figure];
  /** @param {"min" | "max"} end */
  const field = (end) => {
    const name = `${end}_${figure}`;
    const input = h("input", {
      type: "number",
      min: 0,
      max,
      step,
      value: filter(name),
      placeholder: end === "min" ? "from" : "to",
    });
    input.setAttribute("aria-label", `${title}, ${end === "min" ? "at least" : "at most"}`);
    input.addEventListener("change", () => input.reportValidity() && change({ [name]: input.value }));
    return input;
  };
  return h(
    "div",
    { class: "range", role: "group", "aria-label": title },
    h("span", {}, title),
    field("min"),
    field("max"),
  );
}

// The errors of a run's failed images, to choose from.
/** @type {(job: Api.Job, run: Api.Run) => Promise<[string, string][]>} */
export async function errorsOf(job, run) {
  if (!run.counts.failed) return [];
  /** @type {Api.FailureGroups} */
  const { items } = await get(`/v1/jobs/${job.id}/errors/groups`);
  const codes = new Set(items.filter((group) => group.run_ids.includes(run.id)).map((group) => group.code));
  return [...codes].sort().map((code) => [code, code.replaceAll("_", " ")]);
}

/** @type {(job: Api.Job, run: Api.Run, errors: [string, string][], change: Gallery.Change) => HTMLElement} */
export function filtersOf(job, run, errors, change) {
  const { succeeded, failed, total } = run.counts;
  const outcome = filter("outcome"),
    without = outcome === "failed" || outcome === "pending" || Boolean(filter("error_code"));
  /** @type {[string, string][]} */
  const outcomes = [
    ["", `all (${count(total)})`],
    ["succeeded", `segmented (${count(succeeded)})`],
    ["failed", `failed (${count(failed)})`],
    ["pending", `${notDone(run)} (${count(total - succeeded - failed)})`],
  ];
  const search = h("input", { type: "search", value: filter("file_name"), maxlength: 1000 });
  search.addEventListener("change", () => change({ file_name: search.value.trim() }));
  const orders = run.quality ? [...ORDERS, ...ORDERS_BY_IOU] : ORDERS;
  const figures = RANGES.filter((figure) => figure !== "iou" || run.quality || filter("min_iou") || filter("max_iou"));
  const names = job.runs.map((one) => /** @type {[string, string]} */ ([one.id, runName(one, job.runs)]));
  const filtered = FILTERS.some((name) => filter(name)) || filter("sort");
  const clear = () => change({ sort: "", ...Object.fromEntries(FILTERS.map((name) => [name, ""])) });
  return h(
    "div",
    { class: "filters image-filters", role: "search", "aria-label": "Images" },
    choice("Run", names, run.id, (value) => change({ run: value })),
    h("label", {}, "File name", search),
    choice("Outcome", outcomes, outcome, (value) =>
      change({
        outcome: value,
        error_code: "",
        ...(value === "failed" || value === "pending" ? { sort: "", review: "" } : {}),
      }),
    ),
    errors.length || filter("error_code")
      ? choice("Error", [["", "any"], ...errors], filter("error_code"), (value) =>
          change({ error_code: value, ...(value ? { outcome: "failed", sort: "", review: "" } : {}) }),
        )
      : null,
    without ? null : choice("Review", REVIEWS, filter("review"), (value) => change({ review: value })),
    figures.map((figure) => range(figure, change)),
    without ? null : choice("Sort by", orders, filter("sort"), (value) => change({ sort: value })),
    filtered ? h("button", { type: "button", onclick: clear }, "Clear filters") : null,
  );
}
