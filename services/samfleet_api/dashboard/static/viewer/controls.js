// The bar above the picture: zoom, how masks are drawn, and the filters of the list.

import { h } from "/dashboard/static/dom.js";

const STEP = 1.5;
/** @type {[Viewer.Style["drawn"], string][]} */
const DRAWN = [
  ["both", "fill, contours"],
  ["fill", "fill"],
  ["contours", "contours"],
];
/** @type {[Viewer.Choices["truth"], string][]} */
const TRUTH = [
  ["off", "off"],
  ["over", "over the masks"],
  ["instead", "alone"],
];

/** @type {(label: string, options: [string, string][], chosen: string, change: (value: string) => void) => HTMLElement} */
export function choice(label, options, chosen, change) {
  const select = h(
    "select",
    { onchange: (/** @type {Dom.FieldEvent<HTMLSelectElement>} */ event) => change(event.target.value) },
    options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
  );
  return h("label", {}, label, select);
}

/** @param {Viewer.View} view */
export function zoomButtons(view) {
  /** @type {(text: string, label: string, act: () => void) => HTMLElement} */
  const button = (text, label, act) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick: act }, text);
  /** @param {number} factor */
  const zoom = (factor) => () => {
    const frame = view.frame();
    view.setFrame({ ...frame, scale: frame.scale * factor });
  };
  const scale = h("span", { class: "soft zoom-scale" });
  const show = () => {
    scale.textContent = `${Math.round(100 * view.frame().scale)} %`;
  };
  view.onFrame(show);
  new ResizeObserver(show).observe(view.element);
  return h(
    "div",
    { class: "buttons zoom", role: "group", "aria-label": "Zoom" },
    button("−", "Zoom out", zoom(1 / STEP)),
    button("+", "Zoom in", zoom(STEP)),
    button("Fit", "Show the whole image", () => view.fit()),
    button("1:1", "Show one image pixel per pixel of the screen", () => {
      view.setFrame({ ...view.frame(), scale: 1 / devicePixelRatio });
    }),
    scale,
  );
}

/** @param {Viewer.PageSession} session */
export function styleControls(session) {
  const { style } = session.choices;
  const opacity = h("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.05",
    value: style.opacity,
    oninput: (/** @type {Dom.FieldEvent<HTMLInputElement>} */ event) => {
      style.opacity = event.target.valueAsNumber;
      session.refresh();
    },
  });
  const drawn = choice("Draw masks as", DRAWN, style.drawn, (value) => {
    style.drawn = /** @type {Viewer.Style["drawn"]} */ (value);
    session.refresh();
  });
  return [drawn, h("label", {}, "Opacity", opacity)];
}

/** @param {Viewer.PageSession} session */
export function truthControl(session) {
  return choice("Annotations", TRUTH, session.choices.truth, (value) => {
    session.choices.truth = /** @type {Viewer.Choices["truth"]} */ (value);
    session.refresh();
  });
}

/** @type {(session: Viewer.PageSession, name: "score" | "least" | "most", label: string, limits: Dom.Attributes) => HTMLElement} */
function numberFilter(session, name, label, limits) {
  const { filters } = session.choices;
  const field = h("input", {
    type: "number",
    ...limits,
    value: filters[name] ?? "",
    oninput: (/** @type {Dom.FieldEvent<HTMLInputElement>} */ event) => {
      filters[name] = event.target.value === "" ? null : event.target.valueAsNumber;
      session.refresh();
    },
  });
  return h("label", {}, label, field);
}

/** @param {Viewer.PageSession} session */
export const numberFilters = (session) => [
  numberFilter(session, "score", "Minimum predicted IoU", { min: "0", max: "1", step: "0.05" }),
  numberFilter(session, "least", "Minimum area, px", { min: "0", step: "100" }),
  numberFilter(session, "most", "Maximum area, px", { min: "0", step: "100" }),
];

// Filters that depend on the annotations, and on names of categories that come with them.
/** @param {Viewer.PageSession} session */
export function choiceFilters(session) {
  const { choices, rows, annotations } = session;
  const categories = [...new Set(rows.map((row) => row.category))].filter(Boolean).sort();
  /** @type {[string, string][]} */
  const fits = [
    ["", "all"],
    ["right", "IoU 0.5 or more"],
    ["wrong", "IoU below 0.5"],
  ];
  const controls = [];
  if (categories.length)
    controls.push(
      choice(
        "Category",
        [["", "all"], ...categories.map((name) => /** @type {[string, string]} */ ([name, name]))],
        choices.filters.category,
        (value) => {
          choices.filters.category = value;
          session.refresh();
        },
      ),
    );
  if (annotations?.annotations.length)
    controls.push(
      choice("Agreement", fits, choices.filters.fit, (value) => {
        choices.filters.fit = /** @type {Viewer.Filters["fit"]} */ (value);
        session.refresh();
      }),
    );
  return controls;
}
