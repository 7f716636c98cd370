// Advice: which variant meets the constraints, how each figure is known, and what to measure next.

import { fields } from "/dashboard/static/advise/question.js";
import { get } from "/dashboard/static/api.js";
import { failure, h, notice, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { readKnown } from "/dashboard/static/reports/known.js";

/** @type {Record<Api.AdviceCandidate["status"], string>} */
const TONES = { recommended: "good", fits: "good", possible: "wait", excluded: "bad" };

// Names such as mIoU keep their case.
/** @param {string} text */
const capital = (text) => text.replace(/^[a-z]+(?=[ ,;:]|$)/, (word) => word.charAt(0).toUpperCase() + word.slice(1));

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "Advise · samfleet";
  const asked = h("div"),
    results = h("div", { class: "results" }),
    said = h("p", { class: "visually-hidden", role: "status" });
  const lead = "Only measurements recommend a variant. Published figures are hints for what to measure next.";
  main.replaceChildren(h("h1", {}, "Which variant?"), h("p", { class: "lead" }, lead), asked, said, results);
  const status = h("p", { class: "loading", role: "status" }, "Loading…");
  asked.replaceChildren(status);
  const known = await readKnown();
  let turn = 0;
  const machines = [...new Set(known.hardware.values())];
  const ask = () => {
    const focused = document.activeElement?.id;
    asked.replaceChildren(fields(machines, known.datasets, ask));
    if (focused) document.getElementById(focused)?.focus();
    turn += 1;
    return answer(results, said, () => turn, turn);
  };
  addEventListener("popstate", ask);
  await ask();
}

// Replies may arrive out of order: show only the one to the latest question.
/** @type {(results: HTMLElement, said: HTMLElement, latest: () => number, turn: number) => Promise<void>} */
async function answer(results, said, latest, turn) {
  results.setAttribute("aria-busy", "true");
  try {
    /** @type {Api.Advice} */
    const advice = await get(`/v1/reports/advise${location.search}`);
    if (latest() !== turn) return;
    said.replaceChildren(advice.summary);
    results.replaceChildren(summary(advice), candidates(advice), next(advice));
  } catch (error) {
    if (latest() === turn && error.status !== 401) results.replaceChildren(refused(error));
  } finally {
    if (latest() === turn) results.removeAttribute("aria-busy");
  }
}

/** @param {Api.Advice} advice */
function summary(advice) {
  const title = advice.recommended ? "Recommended" : "Nothing is recommended";
  return h(
    "section",
    { class: "card" },
    h("h2", {}, title),
    h("p", { id: "summary" }, advice.summary),
    advice.notes.length
      ? h(
          "ul",
          { class: "verdicts soft" },
          advice.notes.map((note) => h("li", {}, capital(note))),
        )
      : null,
    advice.settings ? settings(advice.settings) : null,
  );
}

/** @param {Api.AdviceSettings} chosen */
function settings({ environment, command, job }) {
  const lines = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return h(
    "div",
    { class: "again" },
    h("h3", {}, "Settings"),
    lines.length ? code(lines.join("\n")) : h("p", {}, "No environment variable needs to be set."),
    code(command),
    code(`POST /v1/jobs ${JSON.stringify(job)}`),
  );
}

// Focusable, because long lines scroll.
/** @param {string} text */
const code = (text) => h("pre", { tabindex: "0" }, h("code", {}, text));

/** @param {Api.Advice} advice */
function candidates(advice) {
  const measured = advice.candidates.filter((one) => one.hardware_id !== null);
  const others = advice.candidates.filter((one) => one.hardware_id === null);
  if (!measured.length && !others.length) return notice("No candidate", "No variant takes this task.");
  const tables = [
    measured.length ? candidateTable("Measured on this hardware", measured) : null,
    others.length
      ? h(
          "details",
          { class: "as-table", open: !measured.length },
          h("summary", {}, `${count(others.length)} variants without a measurement on this hardware`),
          candidateTable("Not measured on this hardware", others),
        )
      : null,
  ];
  return h("section", { class: "card" }, h("h2", {}, "Candidates"), ...tables);
}

/** @type {(caption: string, rows: Api.AdviceCandidate[]) => HTMLElement} */
function candidateTable(caption, rows) {
  const measures = [...new Map(rows.flatMap((row) => row.figures).map((one) => [one.measure, one.title]))];
  /** @type {Dom.Column<Api.AdviceCandidate>[]} */
  const columns = [
    { title: "Variant", value: (row) => named(row) },
    { title: "Status", value: (row) => h("span", { class: TONES[row.status] }, row.status) },
    ...measures.map(([measure, title]) => ({
      title: capital(title),
      value: (/** @type {Api.AdviceCandidate} */ row) => figure(row, measure),
    })),
    { title: "Why", value: (row) => capital(row.reason || "all constraints are met by measurements") },
  ];
  return table(caption, columns, rows, "evidence");
}

/** @param {Api.AdviceCandidate} row */
function named({ rank, variant, execution, hardware, site, task_in_words }) {
  const place = [execution, hardware, site && site !== "local" ? `site ${site}` : null].filter(Boolean).join(", ");
  return h(
    "span",
    {},
    `${rank}. ${variant}`,
    h("span", { class: "small soft" }, place),
    h("span", { class: "small soft" }, task_in_words),
  );
}

// The evidence stands below each figure: in words, not by colour.
/** @type {(row: Api.AdviceCandidate, measure: string) => Dom.Child} */
function figure(row, measure) {
  const found = row.figures.find((one) => one.measure === measure);
  if (!found) return "–";
  const evidence = found.evidence_in_words;
  const value = found.value_in_words ?? "unknown";
  return h("span", {}, value, evidence ? h("span", { class: "small soft" }, evidence) : null);
}

/** @param {Api.Advice} advice */
function next(advice) {
  const more = advice.steps_left_out ? h("p", { class: "soft" }, `and ${count(advice.steps_left_out)} more`) : null;
  const steps = advice.steps.map((step) => h("li", {}, h("p", {}, capital(step.reason)), code(step.command)));
  const list = steps.length
    ? h("ol", {}, steps)
    : h("p", {}, "No further measurement could change this answer, as far as hints tell.");
  const { survey } = advice;
  const all = survey
    ? h(
        "div",
        { id: "survey" },
        h("h3", {}, "Measure everything at once"),
        h("p", {}, survey.reason),
        code(survey.command),
      )
    : null;
  return h("section", { class: "card" }, h("h2", {}, "Measure next"), list, more, all);
}

/** @param {Error & { status: number }} error */
function refused(error) {
  const shown = failure(error);
  if (error.status !== 422) return shown;
  shown.querySelector("h2")?.replaceChildren("This question cannot be answered");
  shown.querySelector("button")?.replaceWith(h("a", { href: location.pathname }, "Start without constraints"));
  return shown;
}
