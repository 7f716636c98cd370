// The images of a run: filters, and either all matching images or, on the job's page, the first ones.

import { filter } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { addressOfImages, choose, chosen, isOfDataset, isWhole } from "/dashboard/static/gallery/choice.js";
import { errorsOf, filtersOf } from "/dashboard/static/gallery/filters.js";
import { ImageList } from "/dashboard/static/gallery/list.js";

const FIRST = 24; // images on the job's page

class Gallery {
  #filters = h("div");
  #status = h("p", { class: "soft", role: "status" });
  #body = h("div");
  #further = h("p");
  /** @type {ImageList | null} */
  #list = null;

  /**
   * @param {HTMLElement} section
   * @param {Api.Job} job
   * @param {boolean} whole
   */
  constructor(section, job, whole) {
    this.job = job;
    this.whole = whole;
    section.replaceChildren(this.#filters, this.#status, this.#body, this.#further);
    this.#body.addEventListener("click", () => this.#remember()); // a tile is opened: the way back leads to its place
    addEventListener("popstate", (event) => section.isConnected && this.open(event.state?.gallery));
  }

  /** @param {Gallery.Place | null} [place] */
  async open(place) {
    this.#list?.stop();
    const run = this.job.runs.find((one) => one.id === filter("run")) ?? this.job.runs[0];
    const host = { body: this.#body, status: this.#status },
      list = new ImageList(host, run, this.whole ? Infinity : FIRST, place?.kept);
    this.#list = list;
    this.#status.replaceChildren("Loading…");
    this.#further.replaceChildren();
    const [errors] = await Promise.all([errorsOf(this.job, run), list.start(place?.index ?? 0)]);
    if (list !== this.#list) return; // the user has chosen others meanwhile
    this.#filters.replaceChildren(filtersOf(this.job, run, errors, (changes) => this.#change(changes)));
    if (!this.whole) this.#further.replaceChildren(this.#link(run, list));
  }

  /** @param {Api.Job} now */
  async renew(now) {
    this.job = now;
    await this.#list?.renew();
  }

  /** @type {(run: Api.Run, list: ImageList) => HTMLElement} */
  #link(run, list) {
    const all = isWhole(chosen()) ? `All ${count(run.counts.total)} images` : "All matching images";
    return h("a", { href: addressOfImages(this.job, run) }, list.more() ? all : "Show them on their own page");
  }

  // Another run has the same images at the same places, unless they are chosen or sorted by its results.
  /** @param {Record<string, string>} changes */
  #change(changes) {
    const before = this.#list?.place();
    this.#remember();
    choose(changes);
    this.open(Object.keys(changes).join() === "run" && isOfDataset(chosen()) ? before : null);
  }

  #remember() {
    if (this.whole && this.#list) history.replaceState({ gallery: this.#list.place() }, "");
  }
}

// Show the images of a job's run. `whole` lists all, and not only the first. Returns a function that shows new results.
/** @type {(section: HTMLElement, job: Api.Job, whole?: boolean) => Promise<(now: Api.Job) => Promise<void>>} */
export async function showGallery(section, job, whole = false) {
  const gallery = new Gallery(section, job, whole);
  await gallery.open(whole ? history.state?.gallery : null);
  return (now) => gallery.renew(now);
}
