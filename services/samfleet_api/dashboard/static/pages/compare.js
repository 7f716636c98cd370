import { filter } from "/dashboard/static/api.js";
import { showAgreement } from "/dashboard/static/compare/annotations.js";
import { byAnnotations, chosenRuns, go } from "/dashboard/static/compare/address.js";
import { chooser, described } from "/dashboard/static/compare/choose.js";
import { pictureOf, showImage } from "/dashboard/static/compare/image.js";
import { Ranking, sorter } from "/dashboard/static/compare/ranking.js";
import { recentJobs, sidesOf } from "/dashboard/static/compare/runs.js";
import { comparisonOf, showSummary } from "/dashboard/static/compare/summary.js";
import { againstField } from "/dashboard/static/compare/tools.js";
import { failure, h, notice } from "/dashboard/static/dom.js";

const LEAD =
  "Up to four runs over the same images, or runs and the annotations, side by side. Masks are matched by IoU with those of A: from 0.9 they are the same, from 0.5 changed, and below that lost or gained.";

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "Compare · samfleet";
  const jobs = await recentJobs();
  const page = new Page(main, jobs);
  addEventListener("popstate", () => page.draw());
  await page.draw();
}

/** @param {Compare.Side[]} sides */
const runsOf = (sides) => sides.filter((side) => !side.annotations).map(({ run }) => run.id);

class Page {
  /**
   * @param {HTMLElement} main
   * @param {Api.Job[]} jobs
   */
  constructor(main, jobs) {
    this.main = main;
    this.jobs = jobs;
    this.drawn = 0; // counts drawings: an older one that is still loading shows nothing
    this.stop = () => {};
    /** @type {Compare.Side[]} */
    this.sides = [];
    this.summary = h("section", { "aria-label": "All images" });
    this.image = h("section", { "aria-label": "Image" });
    /** @type {Ranking | null} */
    this.ranking = null;
  }

  // Draw the page that the URL names.
  async draw() {
    const drawing = ++this.drawn;
    this.stop();
    try {
      const sides = await sidesOf(this.jobs);
      if (drawing !== this.drawn) return;
      this.sides = sides;
      if (!chosenRuns().length && sides.length) go({ run: runsOf(sides) }, { replace: true });
      await this.fill();
    } catch (error) {
      if (error.status !== 401) this.main.replaceChildren(...this.top(), failure(error));
    }
  }

  top() {
    return [
      h("h1", {}, "Compare runs"),
      h("p", { class: "soft" }, LEAD),
      chooser(this.sides, this.jobs, () => this.draw()),
    ];
  }

  async fill() {
    if (this.sides.length < 2) {
      this.main.replaceChildren(...this.top(), this.sides.length ? described(this.sides) : "", this.missing());
      return;
    }
    const [a, b] = [this.sides[0], this.sides[this.against()]];
    const ranking = new Ranking(a, b, (image) => this.open(String(image)));
    this.ranking = ranking;
    this.image.replaceChildren(h("p", { class: "loading", role: "status" }, "Loading the image…"));
    const fields = [againstField(this.sides, this.against(), () => this.draw()), sorter(a, b, () => this.draw())];
    const heading = h("h2", {}, `All images: ${a.annotations ? "annotations" : a.letter} and ${b.letter}`);
    this.main.replaceChildren(
      ...this.top(),
      described(this.sides),
      heading,
      this.summary,
      h("div", { class: "filters" }, fields),
      ranking.element,
      this.image,
    );
    if (a.annotations) {
      showAgreement(this.summary, b);
      await ranking.start(null);
    } else await this.rankByComparison(a, b, ranking);
    if (filter("image")) await this.open(filter("image"));
    else if (!ranking.images.length) this.image.replaceChildren();
  }

  /** @type {(a: Compare.Side, b: Compare.Side, ranking: Ranking) => Promise<void>} */
  async rankByComparison(a, b, ranking) {
    const found = await comparisonOf(a, b);
    const done = found?.state === "completed" ? found : null;
    await ranking.start(done);
    showSummary(this.summary, a, b, found, (now) => {
      if (now.id !== done?.id) ranking.start(now);
    });
  }

  against() {
    const at = this.sides.findIndex(({ letter }) => letter === filter("against"));
    return at > 0 ? at : 1;
  }

  /** @param {string} imageId */
  async open(imageId) {
    const drawing = this.drawn;
    this.ranking?.mark();
    this.image.ariaBusy = "true";
    const picture = await pictureOf(this.sides, this.against(), imageId).finally(() => {
      this.image.ariaBusy = null;
    });
    if (drawing !== this.drawn || imageId !== filter("image")) return;
    this.stop();
    this.stop = showImage(this.image, picture, (by) => this.step(by));
  }

  /** @param {number} by */
  async step(by) {
    const next = (await this.ranking?.neighbour(by)) ?? null;
    if (next === null) return;
    go({ image: String(next) });
    await this.open(String(next));
  }

  missing() {
    const any = this.jobs.some((job) => job.runs.some((run) => run.counts.succeeded > 0));
    if (!any) return notice("No run has results yet", "A job with two variants gives two runs to compare.");
    if (byAnnotations() && !this.sides.length)
      return notice("Choose a run", "Its masks are compared with the annotations of its dataset.");
    if (!this.sides.length)
      return notice(
        "Choose two runs",
        "Choose the reference first, a run or the annotations, then runs over the same images.",
      );
    return notice("Choose a second run", `Runs over the dataset ${this.sides[0].job.dataset_name} are in the list.`);
  }
}
