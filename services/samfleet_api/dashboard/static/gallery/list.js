// One list of images: of a run, for a choice of filters and an order.

import { get } from "/dashboard/static/api.js";
import { h, notice } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { chosen, isWhole, queryOf } from "/dashboard/static/gallery/choice.js";
import { Grid } from "/dashboard/static/gallery/grid.js";
import { CursorPages, PositionPages } from "/dashboard/static/gallery/pages.js";
import { createThumbnails } from "/dashboard/static/gallery/thumbnails.js";
import { keyOf, linesOf, tile } from "/dashboard/static/gallery/tiles.js";

const AT_FIRST = 24; // images that are there before the list is shown

export class ImageList {
  #stopped = false;
  #searching = false;
  #thumbnails = createThumbnails();
  #choice = chosen();

  /**
   * @param {Gallery.Host} host
   * @param {Api.Run} run
   * @param {number} most
   * @param {Gallery.Kept} [kept]
   */
  constructor(host, run, most, kept) {
    this.host = host;
    this.run = run;
    this.most = most;
    this.pages = this.#pagesOf(kept);
    this.grid = new Grid({
      label: "Images",
      lines: linesOf(run),
      count: () => this.#size(),
      keyAt: (index) => keyOf(this.pages.at(index)),
      tileAt: (index) => this.#tileAt(index),
      need: (first, last) => this.#need(first, last),
      dropped: (item) => {
        for (const picture of item.querySelectorAll("img")) this.#thumbnails.drop(picture);
      },
    });
  }

  // Load the images from an index on and show them.
  /** @param {number} index */
  async start(index) {
    await this.#need(index, index + AT_FIRST - 1);
    if (this.#stopped) return;
    if (index) this.grid.scrollTo(Math.min(index, this.#size() - 1));
  }

  stop() {
    this.#stopped = true;
    this.grid.stop();
  }

  renew() {
    return this.pages.renew();
  }

  /** @returns {Gallery.Place} */
  place() {
    return { index: this.grid.first(), kept: this.pages.kept() };
  }

  // Whether there are more images than this list shows.
  more() {
    return !this.pages.ended() || this.pages.count() > this.most;
  }

  /** @param {Gallery.Kept} [kept] */
  #pagesOf(kept) {
    const changed = () => {
      this.#searching = false;
      this.#tell();
      this.grid.update();
    };
    const searching = () => {
      this.#searching = true;
      this.#tell();
    };
    /** @type {Gallery.Load} */
    const load = (page) => this.#load(page);
    return isWhole(this.#choice) && this.most === Infinity
      ? new PositionPages(this.run.counts.total, load, changed)
      : new CursorPages(load, changed, searching, kept);
  }

  #size() {
    return Math.min(this.pages.count(), this.most);
  }

  /** @param {number} index */
  #tileAt(index) {
    const image = this.pages.at(index);
    return image && tile(this.run, image, this.#thumbnails);
  }

  /** @type {Gallery.Load} */
  #load(page) {
    if (this.#stopped) return Promise.resolve({ items: [], next: null });
    const query = queryOf(this.#choice, { ...page, limit: Math.min(page.limit, this.most) });
    return get(`/v1/runs/${this.run.id}/images?${query}`);
  }

  /** @type {(first: number, last: number) => Promise<void>} */
  async #need(first, last) {
    try {
      await this.pages.need(first, Math.min(last, this.most - 1));
    } catch (error) {
      if (this.#stopped) return;
      this.host.status.replaceChildren();
      const again = () => {
        this.#tell();
        this.#need(first, last);
      };
      const retry = h("button", { type: "button", onclick: again }, "Try again");
      this.host.body.replaceChildren(notice("The images could not be loaded", error.message, retry));
    }
  }

  #tell() {
    if (this.#stopped) return;
    const { body, status } = this.host,
      text = this.#summary();
    if (status.textContent !== text) status.replaceChildren(text);
    const shown =
      this.pages.ended() && !this.pages.count()
        ? notice("No matching images", "No image of this run matches. Clear the filters to see all.")
        : this.grid.element;
    if (body.firstChild !== shown) body.replaceChildren(shown);
  }

  // Describe how many images the list has.
  #summary() {
    const known = this.pages.count(),
      what = known === 1 ? "image" : "images",
      left = this.grid.left();
    if (this.#searching) return `${count(known)} matching ${what} so far. The rest of the run is being searched.`;
    if (left) return `${count(known)} ${what}. ${count(known - left)} fit here: filter them to see the others.`;
    if (isWhole(this.#choice)) return `${count(this.run.counts.total)} images`;
    const others = this.#choice.sort === "position" ? "" : " Images without this figure are not listed.";
    return `${this.pages.ended() ? "" : "More than "}${count(known)} matching ${what}.${others}`;
  }
}
