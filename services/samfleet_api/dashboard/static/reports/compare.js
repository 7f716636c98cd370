import { milliseconds } from "/dashboard/static/format.js";
import { facts, h, notice } from "/dashboard/static/dom.js";
import { forest } from "/dashboard/static/charts/forest.js";
import { go } from "/dashboard/static/reports/address.js";
import { choice } from "/dashboard/static/reports/filters.js";
import { namesOf, sharedWords } from "/dashboard/static/reports/identity.js";
import { ofStage, stageChoice, stages } from "/dashboard/static/reports/latency.js";
import { by, choices, marked, NOUNS, sides } from "/dashboard/static/reports/sides.js";
import { decimals, ms, number, significant, whole } from "/dashboard/static/reports/units.js";
import { interval, sentence, summary } from "/dashboard/static/reports/verdicts.js";

const MOST_SENTENCES = 6; // more are folded below their summary

/** @type {Reports.Definition<Api.ComparisonRow, "ratio">} */
export const compare = {
  title: "Compare",
  lead: "The ratio of the median times of two machines or two variants, with a 95 % confidence interval. Only equal work is paired: the same task on the same dataset with the same code. Images of one batch share its time, so they count as one measurement. The verdict is corrected for the number of pairs.",
  controls(known, changed) {
    const [a, b] = sides(known);
    const what = choice(
      "by",
      "Compare",
      [
        ["hardware", "machines"],
        ["variant", "variants"],
      ],
      by(known),
      changed,
      { a: "", b: "" },
    );
    const turn = h(
      "button",
      {
        type: "button",
        id: "turn",
        onclick: () => {
          go({ by: by(known), a: b, b: a });
          changed();
        },
      },
      "Swap",
    );
    return [
      what,
      choice("a", "A", marked(known, a, b), a, changed, { by: by(known), b: b ?? "" }),
      choice("b", "B", marked(known, b, a), b, changed, { by: by(known), a: a ?? "" }),
      turn,
      stageChoice(changed),
    ];
  },
  ask(known) {
    const [a, b] = sides(known);
    if (a === undefined || b === undefined) return { instead: tooFew(known) };
    return { own: [["by", by(known)], ["a", a], ["b", b], ...stages().map(ofStage)] };
  },
  measured: (row) => row.ratio !== null,
  nothing: "Nothing in common to compare",
  empty: "The two sides have no measurements in common. Run a job with both on the same dataset.",
  charts(rows, answer, known) {
    const names = { a: rows[0].a_in_words, b: rows[0].b_in_words },
      nameOf = namesOf(rows, answer, known);
    const named = rows.map((row) => ({ row, name: nameOf(row) || "All common measurements" }));
    const list = named.map(({ row, name }) => ({
      name,
      value: interval(row),
      ratio: row.ratio,
      low: row.ratio_low,
      high: row.ratio_high,
      certain: row.verdict !== "cannot tell",
      tip: `${name}\nA ${milliseconds(row.p50_a_ms)} (${whole(row.n_a)} images), B ${milliseconds(row.p50_b_ms)} (${whole(row.n_b)} images)\n${sentence(row, names)}`,
    }));
    const sentences = named.map(({ row, name }) => h("li", {}, h("strong", {}, name), `: ${sentence(row, names)}`));
    const chart = forest(
      `Ratio of the medians of ${names.a} and ${names.b}`,
      [{ name: "", rows: list }],
      "← A is faster · A / B · B is faster →",
    );
    return [
      [null, about(rows, names, known)],
      [null, chart],
      ["In words", inWords(summary(rows, names), sentences)],
    ];
  },
  caption: "Comparison of medians",
  main: ["Ratio", "Verdict"],
  columns: () => [
    number("Ratio", "ratio", decimals(3)),
    number("Low", "ratio_low", decimals(3)),
    number("High", "ratio_high", decimals(3)),
    { title: "Verdict", value: (row) => row.verdict },
    number("p50 of A", "p50_a_ms", ms),
    number("p50 of B", "p50_b_ms", ms),
    number("Images of A", "n_a", whole),
    number("Images of B", "n_b", whole),
    number("p, corrected", "p_corrected", significant),
  ],
};

// What A and B are, and the work that all pairs share.
/** @type {(rows: Api.ComparisonRow[], names: { a: string, b: string }, known: Reports.Known) => HTMLElement} */
function about(rows, { a, b }, known) {
  const { one } = NOUNS[by(known)];
  const noun = `${one.charAt(0).toUpperCase()}${one.slice(1)}`;
  return facts([
    [`${noun} A`, a],
    [`${noun} B`, b],
    ["Both", sharedWords(rows, known)],
  ]);
}

/** @type {(summed: string[], sentences: HTMLElement[]) => HTMLElement} */
function inWords(summed, sentences) {
  const list = h("ul", { class: "verdicts" }, sentences);
  if (sentences.length <= MOST_SENTENCES) return list;
  const paragraph = h("p", { class: "summed" }, summed.join(" "));
  return h("div", {}, paragraph, h("details", {}, h("summary", {}, `Each of the ${sentences.length} pairs`), list));
}

/** @param {Reports.Known} known */
function tooFew(known) {
  const only = choices(known)
    .map(([, name]) => name)
    .join("");
  const { many } = NOUNS[by(known)];
  return notice(
    `A comparison needs two ${many}`,
    only
      ? `So far only ${only} has been measured. A job with several ${by(known) === "variant" ? "variants" : "pools"} measures more.`
      : `No ${many} have been measured.`,
  );
}
