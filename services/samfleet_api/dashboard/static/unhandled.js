// Errors that no part of a page has handled: shown above the page until they are closed.

import { h } from "/dashboard/static/dom.js";

const MOST_SHOWN = 3;

/** @param {HTMLElement} main */
export function showUnhandled(main) {
  const list = h("div", { class: "unhandled" });
  main.before(list);
  /** @param {unknown} error */
  const show = (error) => {
    if (!(error instanceof Error) || ("status" in error && error.status === 401)) return; // 401 leads to the login page
    list.prepend(problem(error));
    while (list.childElementCount > MOST_SHOWN) list.lastElementChild?.remove();
  };
  addEventListener("unhandledrejection", (event) => {
    if (isAnswer(event.reason)) event.preventDefault(); // not also an error of the console
    show(event.reason);
  });
  addEventListener("error", ({ error }) => show(error));
}

// Whether an error is an answer of the API, not one of this page's code.
/** @param {unknown} error */
const isAnswer = (error) => error instanceof Error && "status" in error;

/** @param {Error} error */
function problem(error) {
  const text = isAnswer(error)
    ? error.message
    : `This page has an error: ${error.message}. Reload it; if the error returns, report it with the steps before it.`;
  const box = h("div", { class: "notice error", role: "alert" }, h("p", {}, text));
  box.append(h("button", { type: "button", onclick: () => box.remove() }, "Close"));
  return box;
}
