// The list of objects. Only the rows in sight exist, so 5,000 masks scroll as smoothly as ten.

import { ABOUT, colourOf } from "/dashboard/static/compare/kinds.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";

const ROW = 34; // CSS pixels, as in compare.css
const SPARE = 6; // rows above and below the ones in sight

export class MatchList {
  /**
   * @param {Compare.Picture} picture
   * @param {Compare.Selection} selection
   * @param {Compare.Handlers} on
   */
  constructor(picture, selection, on) {
    this.picture = picture;
    this.selection = selection;
    this.on = on;
    /** @type {number[]} places in `matches` of the rows */
    this.rows = [];
    this.inner = h("div", { class: "compare-rows" });
    this.element = h(
      "div",
      { class: "compare-list", role: "listbox", tabindex: "0", "aria-label": "Masks, unmatched ones first" },
      this.inner,
    );
    this.element.addEventListener("scroll", () => requestAnimationFrame(() => this.draw()));
    this.element.addEventListener("keydown", (event) => this.press(event));
    this.element.addEventListener("pointerleave", () => on.hover(null));
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.update();
  }

  // Choose the rows after a change of the hidden kinds.
  update() {
    const { matches } = this.picture;
    this.rows = [...matches.keys()].filter((match) => !this.selection.hidden.has(matches[match].kind));
    this.inner.style.height = `${this.rows.length * ROW}px`;
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / ROW) - SPARE);
    const last = Math.min(this.rows.length, first + Math.ceil(this.element.clientHeight / ROW) + 2 * SPARE);
    const shown = this.rows.slice(first, last).map((match, index) => this.row(match, first + index));
    this.inner.replaceChildren(...shown);
    const active = this.selection.pinned;
    if (active !== null && this.rows.includes(active)) this.element.setAttribute("aria-activedescendant", idOf(active));
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** @type {(match: number, at: number) => HTMLElement} */
  row(match, at) {
    const { kind, iou, area } = this.picture.matches[match];
    const { hovered, pinned } = this.selection;
    const swatch = h("span", { class: `compare-swatch ${kind}`, "aria-hidden": "true" }, ABOUT[kind].sign);
    swatch.style.background = `rgb(${colourOf(kind).join(" ")})`;
    const row = h(
      "div",
      {
        id: idOf(match),
        role: "option",
        class: `compare-row ${match === hovered ? "hot" : ""} ${match === pinned ? "pinned" : ""}`,
        "aria-selected": match === pinned ? "true" : "false",
        "aria-posinset": at + 1,
        "aria-setsize": this.rows.length,
        onpointerenter: () => this.on.hover(match),
        onclick: () => this.on.pin(match),
      },
      swatch,
      h("span", {}, kind),
      h("span", { class: "soft" }, iou === null ? "no pair" : `IoU ${iou.toFixed(2)}`),
      h("span", { class: "number soft" }, `${count(area)} px`),
    );
    row.style.top = `${at * ROW}px`;
    return row;
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    const now = this.selection.pinned === null ? -1 : this.rows.indexOf(this.selection.pinned);
    /** @type {Record<string, number>} */
    const places = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: this.rows.length - 1 };
    if (event.key === "Escape") this.on.pin(null);
    else if (event.key in places) this.on.pin(this.rows[Math.max(0, places[event.key])] ?? null);
    else return;
    event.preventDefault();
  }

  // Bring the pinned row into sight.
  reveal() {
    const at = this.selection.pinned === null ? -1 : this.rows.indexOf(this.selection.pinned);
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.element;
    if (at * ROW < scrollTop) this.element.scrollTop = at * ROW;
    else if ((at + 1) * ROW > scrollTop + clientHeight) this.element.scrollTop = (at + 1) * ROW - clientHeight;
  }
}

/** @param {number} match */
const idOf = (match) => `match-${match}`;
