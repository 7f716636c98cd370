// Helpers that build elements. They never use innerHTML, so names of files and jobs cannot inject markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Dom.Attributes} attributes
 * @param {...(Dom.Child | Dom.Child[])} children
 */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/**
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Dom.Attributes} attributes
 * @param {...(Dom.Child | Dom.Child[])} children
 */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** @type {<E extends Element>(element: E, attributes: Dom.Attributes, children: (Dom.Child | Dom.Child[])[]) => E} */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), /** @type {Dom.Handler} */ (value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

// columns: [{title, number?, value: row => text or node}]; the first column is the header of its row.
/** @type {<Row>(caption: string, columns: Dom.Column<NoInfer<Row>>[], rows: Row[], style?: string) => HTMLElement} */
export function table(caption, columns, rows, style = "") {
  /** @type {(column: typeof columns[number], row: typeof rows[number], index: number) => HTMLElement} */
  const cell = (column, row, index) =>
    h(index ? "td" : "th", { class: column.number ? "number" : null, scope: index ? null : "row" }, column.value(row));
  const titles = columns.map((column) =>
    h("th", { scope: "col", class: column.number ? "number" : null }, column.title),
  );
  const body = rows.map((row) =>
    h(
      "tr",
      {},
      columns.map((column, index) => cell(column, row, index)),
    ),
  );
  const inner = h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, titles)), h("tbody", {}, body));
  return h("div", { class: `scroll ${style}`, tabindex: "0", role: "region", "aria-label": caption }, inner);
}

/** @param {[string, Dom.Child | false | 0][]} pairs */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== false && value !== "");
  return h(
    "dl",
    {},
    known.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, /** @type {Dom.Child} */ (value))]),
  );
}

/** @type {(title: string, text: string, ...more: Dom.Child[]) => HTMLElement} */
export function notice(title, text, ...more) {
  return h("div", { class: "notice" }, h("h2", {}, title), h("p", {}, text), ...more);
}

/** The way on from a page that has no results yet. */
export const newJob = () => h("p", {}, h("a", { class: "button", href: "/dashboard/new" }, "New job"));

/** @param {Error} error */
export function failure(error) {
  const retry = h("button", { type: "button", onclick: () => location.reload() }, "Try again");
  return h(
    "div",
    { class: "notice error", role: "alert" },
    h("h2", {}, "This could not be loaded"),
    h("p", {}, error.message),
    retry,
  );
}
