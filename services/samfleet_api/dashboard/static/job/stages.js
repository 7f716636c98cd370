import { filter, addressWith, get, hasEnded } from "/dashboard/static/api.js";
import { stackedBars } from "/dashboard/static/charts/stages.js";
import { h, notice, table } from "/dashboard/static/dom.js";
import { count, milliseconds } from "/dashboard/static/format.js";
import { runName } from "/dashboard/static/job/runs.js";

/** @type {("mean_ms" | "p50_ms" | "p90_ms" | "p95_ms" | "p99_ms")[]} */
const FIELDS = ["mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms"];

/** @type {(section: HTMLElement, job: Api.Job) => Promise<void>} */
export async function showStages(section, job) {
  /** @type {Required<Api.Run>[]} a run that is read by itself has its stages */
  const runs = await Promise.all(job.runs.map((run) => get(`/v1/runs/${run.id}`)));
  const measured = runs.filter((run) => Object.keys(run.stages).length);
  if (!measured.length)
    return section.replaceChildren(
      hasEnded(job)
        ? notice("No times", "The job ended before any image after warm-up was recorded.")
        : notice("No times yet", "Times appear when the first images are recorded."),
    );
  const rows = measured.flatMap((run) =>
    Object.entries(run.stages).map(([stage, times]) => ({ name: runName(run, runs), stage, ...times })),
  );
  /** @type {Dom.Column<typeof rows[number]>[]} */
  const columns = FIELDS.map((field) => ({
    title: field.replace("_ms", ""),
    number: true,
    value: (row) => milliseconds(row[field]),
  }));
  const card = h("div", { class: "card" });
  /** @param {boolean} focus */
  const draw = (focus) => {
    card.replaceChildren(
      waiting(() => draw(true)),
      bars(measured, runs),
    );
    if (focus) card.querySelector("input")?.focus();
  };
  const focused = document.activeElement;
  draw(section.contains(focused) && focused?.matches("input") === true);
  section.replaceChildren(
    card,
    table(
      "Time per image and stage, without warm-up",
      [
        { title: "Run", value: (row) => row.name },
        { title: "Stage", value: (row) => row.stage },
        { title: "Images", number: true, value: (row) => count(row.n) },
        ...columns,
      ],
      rows,
      "dense",
    ),
  );
}

// Hidden by default: queue time is not work, and a long queue would dwarf the other stages.
/** @param {() => void} changed */
function waiting(changed) {
  const box = h("input", { type: "checkbox", checked: filter("waiting") === "yes" });
  box.addEventListener("change", () => {
    history.replaceState(null, "", addressWith({ waiting: box.checked && "yes" }));
    changed();
  });
  return h("label", { class: "row" }, box, "Include queue time");
}

/** @type {(measured: Required<Api.Run>[], runs: Api.Run[]) => HTMLElement} */
function bars(measured, runs) {
  const stages = [...new Set(measured.flatMap((run) => Object.keys(run.stages)))].filter(
    (stage) => stage !== "queue" || filter("waiting") === "yes",
  );
  const rows = measured.map((run) => ({
    name: runName(run, runs),
    parts: Object.fromEntries(stages.map((stage) => [stage, run.stages[stage]?.mean_ms ?? 0])),
  }));
  return stackedBars("Mean time per image, by stage", stages, rows);
}
