// A grid of tiles that scrolls with the page. Only the rows near the window are in the document.

import { h } from "/dashboard/static/dom.js";

const LEAST_WIDTH = 168; // CSS pixels of a tile
const GAP = 12;
const LINE = 22; // height of a line below a tile's picture; gallery.css has the same
const ROWS_AROUND = 2;
const MOST_HEIGHT = 16_000_000; // browsers draw no element much higher
const ASKED_EVERY_MS = 100;

export class Grid {
  /** @type {Map<number, { item: HTMLElement, key: string }>} */
  #shown = new Map();
  #columns = 1;
  #width = LEAST_WIDTH;
  #height = LEAST_WIDTH; // of a row, with the gap below it
  #measured = false;
  #frame = 0;
  #asking = 0;
  #wanted = -1; // the tile to focus when it is loaded
  #options;
  #resized = new ResizeObserver(() => this.#resize());
  update = () => {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  };

  /** @param {Gallery.GridOptions} options */
  constructor(options) {
    this.#options = options;
    this.element = h("ul", { class: "tiles", role: "list", "aria-label": options.label });
    this.element.addEventListener("keydown", (event) => this.#move(event));
    this.#resized.observe(this.element);
    addEventListener("scroll", this.update, { passive: true });
  }

  stop() {
    this.#resized.disconnect();
    removeEventListener("scroll", this.update);
    for (const index of [...this.#shown.keys()]) this.#take(index);
  }

  // The first index in the window.
  first() {
    return Math.max(0, Math.ceil(-this.#top() / this.#height)) * this.#columns;
  }

  // The number of images that do not fit into the page.
  left() {
    return this.#options.count() - this.#fitting();
  }

  /** @param {number} index */
  scrollTo(index) {
    this.#measure();
    this.#draw();
    window.scrollBy(0, this.#top() + Math.floor(index / this.#columns) * this.#height);
  }

  #top() {
    return this.element.getBoundingClientRect().top;
  }

  #fitting() {
    return Math.min(this.#options.count(), Math.floor(MOST_HEIGHT / this.#height) * this.#columns);
  }

  #measure() {
    this.#measured = true;
    const room = this.element.clientWidth;
    this.#columns = Math.max(2, Math.floor((room + GAP) / (LEAST_WIDTH + GAP)));
    this.#width = Math.floor((room - GAP * (this.#columns - 1)) / this.#columns);
    const text = LINE * this.#options.lines + 10;
    this.#height = Math.round((this.#width * 3) / 4) + text + GAP;
    this.element.style.setProperty("--tile", `${this.#width}px`);
    this.element.style.setProperty("--text", `${text}px`);
  }

  #resize() {
    const [first] = this.#window(),
      before = this.#columns,
      isAbove = this.#top() < 0;
    this.#measure();
    for (const [index, { item }] of this.#shown) this.#place(item, index);
    if (before !== this.#columns && isAbove) this.scrollTo(first);
    this.update();
  }

  // The first and last index near the window.
  /** @returns {[number, number]} */
  #window() {
    const top = -this.#top(),
      from = Math.max(0, Math.floor(top / this.#height) - ROWS_AROUND),
      to = Math.floor((top + innerHeight) / this.#height) + ROWS_AROUND;
    return [from * this.#columns, (to + 1) * this.#columns - 1]; // the last is negative far above the list
  }

  #draw() {
    this.#frame = 0;
    if (!this.element.isConnected) return;
    if (!this.#measured) this.#measure();
    const total = this.#fitting();
    this.element.style.height = `${Math.ceil(total / this.#columns) * this.#height}px`;
    const [first, last] = this.#window();
    for (const [index, { item }] of [...this.#shown]) {
      const isFocused = item.contains(document.activeElement);
      if (index >= total || ((index < first || index > last) && !isFocused)) this.#take(index);
    }
    for (let index = first; index <= last && index < total; index++) this.#put(index, total);
    this.#ask();
  }

  /** @type {(index: number, total: number) => void} */
  #put(index, total) {
    const { keyAt, tileAt, dropped } = this.#options;
    const key = keyAt(index),
      old = this.#shown.get(index);
    if (old?.key === key) return;
    const item = old?.item ?? h("li", { "data-index": index, "aria-posinset": index + 1 });
    item.setAttribute("aria-setsize", String(total));
    const isFocused = item.contains(document.activeElement);
    if (old) dropped(item);
    item.replaceChildren(tileAt(index) ?? h("div", { class: "tile empty" }));
    if (!old) this.element.append(item);
    this.#place(item, index);
    this.#shown.set(index, { item, key });
    if (isFocused || index === this.#wanted) this.#focus(item);
  }

  /** @type {(item: HTMLElement, index: number) => void} */
  #place(item, index) {
    const x = (index % this.#columns) * (this.#width + GAP),
      y = Math.floor(index / this.#columns) * this.#height;
    item.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** @param {number} index */
  #take(index) {
    const item = this.#shown.get(index)?.item;
    if (!item) return;
    this.#options.dropped(item);
    item.remove();
    this.#shown.delete(index);
  }

  // Ask for the images of the window, at most every 100 ms: a long drag of the scroll bar passes thousands.
  #ask() {
    if (this.#asking) return;
    this.#asking = setTimeout(() => {
      this.#asking = 0;
      if (this.element.isConnected) this.#options.need(...this.#window());
    }, ASKED_EVERY_MS);
  }

  /** @param {Element} item */
  #focus(item) {
    const aimed = /** @type {HTMLElement | null} */ (item.querySelector("[href], [tabindex]"));
    if (!aimed) return;
    this.#wanted = -1;
    aimed.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const item = /** @type {HTMLElement} */ (event.target).closest("li");
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.#fitting() - 1,
      target = this.#target(event.key, Number(item.dataset.index), last);
    if (target === null) return;
    event.preventDefault();
    this.#wanted = Math.min(Math.max(target, 0), last);
    this.#reveal(this.#wanted);
    this.#draw();
    const aimed = this.#shown.get(this.#wanted)?.item;
    if (aimed) this.#focus(aimed);
  }

  /** @type {(key: string, index: number, last: number) => number | null} */
  #target(key, index, last) {
    const page = this.#columns * Math.max(1, Math.floor(innerHeight / this.#height) - 1);
    /** @type {Record<string, number>} */
    const targets = {
      ArrowLeft: index - 1,
      ArrowRight: index + 1,
      ArrowUp: index - this.#columns,
      ArrowDown: index + this.#columns,
      PageUp: index - page,
      PageDown: index + page,
      Home: 0,
      End: last,
    };
    return targets[key] ?? null;
  }

  // Scroll as little as needed to show a tile.
  /** @param {number} index */
  #reveal(index) {
    const top = this.#top() + Math.floor(index / this.#columns) * this.#height;
    if (top < 0) window.scrollBy(0, top - GAP);
    else if (top + this.#height > innerHeight) window.scrollBy(0, top + this.#height - innerHeight);
  }
}
