import { h, table } from "/dashboard/static/dom.js";
import { count, rate } from "/dashboard/static/format.js";
import { stateOf } from "/dashboard/static/states.js";

/** @type {Record<Api.Figure["metric"], string>} */
const METRICS = {
  miou: "mIoU",
  ar: "AR",
  ap: "AP",
  ap50: "AP at IoU 0.5",
  ap75: "AP at IoU 0.75",
  ap_agnostic: "class-agnostic AP",
  ap50_agnostic: "class-agnostic AP at IoU 0.5",
  ap75_agnostic: "class-agnostic AP at IoU 0.75",
  lvis_ap: "LVIS AP",
  lvis_ap50: "LVIS AP at IoU 0.5",
  lvis_ap75: "LVIS AP at IoU 0.75",
  lvis_apr: "LVIS AP, rare categories",
  lvis_apc: "LVIS AP, common categories",
  lvis_apf: "LVIS AP, frequent categories",
  lvis_ar: "LVIS AR",
};

/** @param {Api.Job} job */
export function runsTable(job) {
  return table(
    "Runs: one per variant and pool",
    [
      { title: "Variant", value: (run) => run.variant },
      { title: "Pool", value: (run) => run.pool },
      { title: "State", value: stateOf },
      ...(job.runs.some((run) => run.error)
        ? [{ title: "Error", value: (/** @type {Api.Run} */ run) => run.error?.message ?? "" }]
        : []),
      ...(job.runs.some((run) => run.stalled)
        ? [{ title: "Waiting for", value: (/** @type {Api.Run} */ run) => run.stalled?.message ?? "" }]
        : []),
      {
        title: "Done",
        number: true,
        value: (run) => `${count(run.counts.succeeded + run.counts.failed)} of ${count(run.counts.total)}`,
      },
      { title: "Failed", number: true, value: (run) => count(run.counts.failed) },
      ...(job.images_reused
        ? [{ title: "Reused", number: true, value: (/** @type {Api.Run} */ run) => count(run.images_reused) }]
        : []),
      { title: "Masks", number: true, value: (run) => count(run.masks) },
      {
        title: "Rate",
        number: true,
        value: (run) => (run.images_per_second === null ? "–" : rate(run.images_per_second)),
      },
      {
        title: "Hardware",
        value: (run) => run.hardware.map((one) => `${one.device_name} (${one.precision})`).join(", ") || "–",
      },
      {
        title: "Results",
        value: (run) =>
          h(
            "a",
            {
              href: `/v1/runs/${run.id}/results?format=instances`,
              download: true,
              "aria-label": `COCO file of ${runName(run, job.runs)}`,
            },
            "COCO",
          ),
      },
    ],
    job.runs,
    "dense",
  );
}

/** @type {(run: Pick<Api.Run, "variant" | "pool">, runs: Pick<Api.Run, "variant" | "pool">[]) => string} */
export function runName(run, runs) {
  const alone = runs.filter((other) => other.variant === run.variant).length === 1;
  return alone ? run.variant : `${run.variant} on ${run.pool}`;
}

/** @param {Api.Figure} figure */
const keyOf = (figure) => [figure.metric, figure.area, figure.max_detections].join(" ");

// `miou` of a run is available as soon as its images are recorded. The evaluation, with figures by size, follows its end.
/** @type {(figure: Api.Figure, all: Api.Figure[]) => string} */
function titleOf(figure, all) {
  const limits = new Set(
    all.filter((one) => one.metric === figure.metric && one.area === figure.area).map((one) => one.max_detections),
  );
  return [
    METRICS[figure.metric],
    figure.area !== "all" && figure.area,
    limits.size > 1 && `${figure.max_detections} ${figure.max_detections === 1 ? "mask" : "masks"}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/** @param {Api.Figure | undefined} figure */
function inWords(figure) {
  if (!figure) return "–";
  const value = figure.value.toFixed(4);
  return figure.low === null || figure.high === null
    ? value
    : `${value} (${figure.low.toFixed(4)} to ${figure.high.toFixed(4)})`;
}

const MOST_BESIDE = 3; // of the four views of the page, one shows the annotations

/** @param {Api.Run[]} runs */
const besideAnnotations = (runs) =>
  `/dashboard/compare?reference=annotations&${runs
    .filter((run) => run.quality)
    .slice(0, MOST_BESIDE)
    .map((run) => `run=${run.id}`)
    .join("&")}`;

/** @type {(section: HTMLElement, job: Api.Job) => void} */
export function showQuality(section, job) {
  const runs = job.runs.filter((run) => run.quality || run.evaluation.length || run.quality_error);
  section.hidden = !runs.length;
  if (!runs.length) return;
  const all = runs.flatMap((run) => run.evaluation),
    order = Object.keys(METRICS);
  const kinds = [...new Map(all.map((figure) => [keyOf(figure), figure])).values()].sort(
    (a, b) => order.indexOf(a.metric) - order.indexOf(b.metric),
  );
  /** @type {(kind: Api.Figure) => Dom.Column<Api.Run>} */
  const figure = (kind) => ({
    title: titleOf(kind, all),
    number: true,
    value: (run) => inWords(run.evaluation.find((one) => keyOf(one) === keyOf(kind))),
  });
  /** @type {Dom.Column<Api.Run>[]} */
  const columns = [
    { title: "Run", value: (run) => runName(run, job.runs) },
    {
      title: "Instances",
      number: true,
      value: (run) => count(run.quality?.instances ?? run.evaluation[0]?.instances ?? 0),
    },
    ...(kinds.some((kind) => keyOf(kind).startsWith("miou all"))
      ? []
      : [{ title: "mIoU", number: true, value: (/** @type {Api.Run} */ run) => run.quality?.miou.toFixed(4) ?? "–" }]),
    ...kinds.map(figure),
    ...(runs.some((run) => run.quality_error)
      ? [{ title: "Evaluation error", value: (/** @type {Api.Run} */ run) => run.quality_error?.message ?? "" }]
      : []),
  ];
  section.replaceChildren(
    h("h2", {}, "Agreement with annotations"),
    table("Quality over all images of the dataset, with 95 % intervals", columns, runs, "dense"),
    h("p", {}, h("a", { href: besideAnnotations(runs) }, "Compare the masks with the annotations")),
  );
}
