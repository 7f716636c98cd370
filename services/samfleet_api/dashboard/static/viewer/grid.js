// A sortable list of any length: only the rows in sight are elements. One tab stop; arrow keys move the active row.

import { h } from "/dashboard/static/dom.js";

const ROW = 32; // pixels, as in the style sheet
const MORE = 6; // rows beyond the edges

/** @template Row */
export class Grid {
  /** @param {Viewer.GridOptions<Row>} options */
  constructor(options) {
    this.options = options;
    /** @type {Row[]} */
    this.rows = [];
    this.active = -1;
    /** @type {Set<Row>} */
    this.hot = new Set();
    /** @type {Map<number, HTMLElement>} elements by place in `rows` */
    this.shown = new Map();
    this.id = `grid-${++Grid.count}`;
    this.body = h("div", { class: "grid-body", role: "rowgroup" });
    this.head = h("div", { class: "grid-row grid-head", role: "row" });
    /** @type {HTMLElement} */
    this.element = h(
      "div",
      {
        class: "grid",
        role: "grid",
        tabindex: "0",
        "aria-label": options.label,
        onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
        onscroll: () => this.draw(),
        onfocus: () => this.focused(),
        onblur: () => options.onHover(null),
        onpointerleave: () => options.onHover(null),
      },
      h("div", { role: "rowgroup", class: "grid-top" }, this.head),
      this.body,
    );
    this.setColumns(options.columns);
    new ResizeObserver(() => this.draw()).observe(this.element);
  }

  static count = 0;

  /** @param {Viewer.GridColumn<Row>[]} columns */
  setColumns(columns) {
    this.options.columns = columns;
    const widths = (/** @type {Viewer.GridColumn<Row>[]} */ shown) => shown.map((column) => column.width).join(" ");
    const { style } = this.element;
    style.setProperty("--wide", widths(columns));
    style.setProperty("--medium", widths(columns.filter((column) => column.least !== "wide")));
    style.setProperty("--narrow", widths(columns.filter((column) => !column.least)));
    this.setSort(this.sort);
    this.redraw();
  }

  // Make the rows again, after their content changed.
  redraw() {
    for (const element of this.shown.values()) element.remove();
    this.shown.clear();
    this.draw();
  }

  /** @type {{ key: string, descending: boolean } | undefined} */
  sort;

  /** @param {{ key: string, descending: boolean } | undefined} sort */
  setSort(sort) {
    this.sort = sort;
    const focused = this.head.querySelector("button:focus")?.getAttribute("data-key");
    this.head.replaceChildren(...this.options.columns.map((column) => this.title(column)));
    if (focused) /** @type {HTMLElement | null} */ (this.head.querySelector(`[data-key=${focused}]`))?.focus();
  }

  /** @param {Viewer.GridColumn<Row>} column */
  title(column) {
    const { onSort } = this.options;
    const chosen = this.sort?.key === column.key ? this.sort : null;
    const order = chosen && (chosen.descending ? "descending" : "ascending");
    const mark = chosen ? (chosen.descending ? " ↓" : " ↑") : "";
    const press = () => onSort?.(column.key);
    return h(
      "span",
      { role: "columnheader", class: classesOf(column), "aria-sort": order },
      onSort && column.sorts !== false
        ? h("button", { type: "button", "data-key": column.key, onclick: press }, column.title + mark)
        : column.title,
    );
  }

  /** @param {Row[]} rows */
  setRows(rows) {
    const before = this.rows[this.active];
    this.rows = rows;
    this.active = before ? rows.indexOf(before) : -1;
    this.element.setAttribute("aria-rowcount", String(rows.length + 1));
    this.body.style.height = `${rows.length * ROW}px`;
    this.redraw();
  }

  // Mark rows, such as those under the pointer in the picture.
  /** @param {Row[]} rows */
  mark(rows) {
    this.hot = new Set(rows);
    this.draw();
  }

  // Scroll so that a row is in sight.
  /** @param {Row} row */
  reveal(row) {
    const at = this.rows.indexOf(row);
    if (at < 0) return;
    const { scrollTop, clientHeight } = this.element;
    const room = clientHeight - ROW; // the head stays
    if (at * ROW < scrollTop) this.element.scrollTop = at * ROW;
    else if ((at + 1) * ROW > scrollTop + room) this.element.scrollTop = (at + 1) * ROW - room;
    this.draw();
  }

  requested = false;

  draw() {
    if (this.requested) return;
    this.requested = true;
    requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    this.requested = false;
    const { scrollTop, clientHeight } = this.element;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - MORE);
    const last = Math.min(this.rows.length, Math.ceil((scrollTop + clientHeight) / ROW) + MORE);
    for (const [at, element] of this.shown) {
      if (at >= first && at < last) continue;
      element.remove();
      this.shown.delete(at);
    }
    let next = this.body.firstElementChild;
    for (let at = first; at < last; at++) {
      const element = this.shown.get(at) ?? this.row(at);
      if (element === next) next = next.nextElementSibling;
      else this.body.insertBefore(element, next);
      this.shown.set(at, element);
      this.update(element, at);
    }
    const active = this.active >= first && this.active < last ? `${this.id}-${this.active}` : null;
    if (active) this.element.setAttribute("aria-activedescendant", active);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** @type {(element: HTMLElement, at: number) => void} */
  update(element, at) {
    const row = this.rows[at];
    element.classList.toggle("active", at === this.active);
    element.classList.toggle("hot", this.hot.has(row));
    element.ariaSelected = String(this.options.isChosen(row));
  }

  /** @param {number} at */
  row(at) {
    const row = this.rows[at];
    const { columns, onChoose, onHover } = this.options;
    const choose = () => {
      this.active = at;
      onChoose(row);
    };
    const element = h(
      "div",
      {
        class: "grid-row",
        role: "row",
        id: `${this.id}-${at}`,
        "aria-rowindex": at + 2,
        onclick: choose,
        onpointerenter: () => onHover(row),
      },
      columns.map((column) => h("span", { role: "gridcell", class: classesOf(column) }, column.cell(row))),
    );
    element.style.transform = `translateY(${at * ROW}px)`;
    return element;
  }

  // A click focuses the list too; only a focus by keyboard needs an active row.
  focused() {
    if (this.element.matches(":focus-visible")) this.activate(Math.max(this.active, 0));
  }

  /** @param {number} at */
  activate(at) {
    if (!this.rows.length) return;
    this.active = Math.min(Math.max(at, 0), this.rows.length - 1);
    this.reveal(this.rows[this.active]);
    this.options.onHover(this.rows[this.active]);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const row = this.rows[this.active];
    if (event.target !== this.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / ROW) - 2);
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (step) this.activate(this.active + step);
    else if (row && (event.key === "Enter" || event.key === " ")) this.options.onChoose(row);
    else if (!row || !this.options.onKey?.(event, row)) return;
    event.preventDefault();
  }
}

/** @type {(column: { number?: boolean, least?: string }) => string | null} */
const classesOf = ({ number, least }) => [number && "number", least].filter(Boolean).join(" ") || null;
