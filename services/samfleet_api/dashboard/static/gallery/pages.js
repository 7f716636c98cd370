// Pages of images, of which only those near the shown ones stay in memory.

const SIZE = 100;
const KEPT = 3; // pages before and after the shown ones

/** @param {Api.ImageOfRun[]} items */
const anyPending = (items) => items.some((image) => image.outcome === "pending");

// All images of the dataset in its order: any place is found at once, by its position.
/** @implements {Gallery.Pages} */
export class PositionPages {
  /** @type {Map<number, Api.ImageOfRun[]>} */
  #pages = new Map();
  /** @type {Set<number>} */
  #asked = new Set();

  /**
   * @param {number} total
   * @param {Gallery.Load} load
   * @param {() => void} changed
   */
  constructor(total, load, changed) {
    this.total = total;
    this.load = load;
    this.changed = changed;
  }

  count() {
    return this.total;
  }

  ended() {
    return true;
  }

  /** @param {number} index */
  at(index) {
    return this.#pages.get(Math.floor(index / SIZE))?.[index % SIZE];
  }

  /** @type {(first: number, last: number) => Promise<void>} */
  async need(first, last) {
    const from = Math.floor(first / SIZE),
      to = Math.floor(Math.min(last, this.total - 1) / SIZE);
    for (const number of this.#pages.keys()) if (number < from - KEPT || number > to + KEPT) this.#pages.delete(number);
    const wanted = Array.from({ length: to - from + 1 }, (_, step) => from + step);
    await Promise.all(wanted.filter((number) => !this.#pages.has(number)).map((number) => this.#fill(number)));
  }

  async renew() {
    const moving = [...this.#pages].filter(([, items]) => anyPending(items));
    await Promise.all(moving.map(([number]) => this.#fill(number)));
  }

  /** @returns {Gallery.Kept} */
  kept() {
    return { known: [], next: null };
  }

  /** @param {number} number */
  async #fill(number) {
    if (this.#asked.has(number)) return;
    this.#asked.add(number);
    try {
      this.#pages.set(number, (await this.load({ from_position: number * SIZE, limit: SIZE })).items);
      this.changed();
    } finally {
      this.#asked.delete(number);
    }
  }
}

/** @typedef {{ cursor: string, start: number, length: number, items: Api.ImageOfRun[] | null }} CursorPage */

// Images that match filters or are sorted: each page begins where the one before ended. A page that was dropped is
// loaded again by its cursor. `earlier` has the pages that this list had before the user left it.
/** @implements {Gallery.Pages} */
export class CursorPages {
  /** @type {CursorPage[]} */
  #pages = [];
  /** @type {string | null} */
  #next = "";
  /** @type {Promise<void> | null} */
  #busy = null;

  /**
   * @param {Gallery.Load} load
   * @param {() => void} changed
   * @param {() => void} searching
   * @param {Gallery.Kept} [earlier]
   */
  constructor(load, changed, searching, earlier) {
    this.load = load;
    this.changed = changed;
    this.searching = searching;
    if (!earlier?.known.length) return;
    this.#next = earlier.next;
    for (const [cursor, length] of earlier.known) this.#add(cursor, null, length);
  }

  count() {
    return this.#pages.reduce((sum, page) => sum + page.length, 0);
  }

  ended() {
    return this.#next === null;
  }

  /** @param {number} index */
  at(index) {
    const page = this.#pages.findLast((one) => one.start <= index);
    return page?.items?.[index - page.start];
  }

  // One at a time: the last wish is the one that counts, and the next scroll repeats it.
  /** @type {(first: number, last: number) => Promise<void>} */
  need(first, last) {
    this.#busy ??= this.#fetch(first, last).finally(() => {
      this.#busy = null;
    });
    return this.#busy;
  }

  async renew() {
    for (const page of this.#pages) if (page.items && anyPending(page.items)) await this.#fill(page);
  }

  /** @returns {Gallery.Kept} */
  kept() {
    return { known: this.#pages.map((page) => [page.cursor, page.length]), next: this.#next };
  }

  /** @type {(first: number, last: number) => Promise<void>} */
  async #fetch(first, last) {
    const margin = KEPT * SIZE;
    for (const page of this.#pages) {
      if (page.start + page.length <= first - margin || page.start > last + margin) page.items = null;
      else if (page.start <= last && page.start + page.length > first && !page.items) await this.#fill(page);
    }
    while (this.#next !== null && this.count() <= last) await this.#further();
  }

  async #further() {
    let cursor = this.#next;
    while (cursor !== null) {
      const page = await this.#read(cursor);
      this.#next = page.next;
      if (page.items.length) this.#add(cursor, page.items, page.items.length);
      if (page.items.length || page.next === null) return this.changed();
      this.searching();
      cursor = page.next;
    }
  }

  /** @param {CursorPage} page */
  async #fill(page) {
    const items = (await this.#read(page.cursor)).items.slice(0, page.length); // more or fewer may match by now
    page.items = items;
    page.length = items.length;
    let start = 0;
    for (const one of this.#pages) {
      one.start = start;
      start += one.length;
    }
    this.changed();
  }

  /** @param {string} cursor */
  #read(cursor) {
    return this.load({ limit: SIZE, ...(cursor ? { cursor } : {}) });
  }

  /** @type {(cursor: string, items: Api.ImageOfRun[] | null, length: number) => void} */
  #add(cursor, items, length) {
    this.#pages.push({ cursor, start: this.count(), length, items });
  }
}
