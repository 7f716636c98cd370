// Keys of the review: single letters, which do nothing while someone writes in a field or a dialog is open.

import { h } from "/dashboard/static/dom.js";

/** @param {KeyboardEvent} event */
function isForPage(event) {
  const { target } = event;
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return false;
  const field = target instanceof Element && target.closest("input, select, textarea, [contenteditable], dialog");
  return !field || (field instanceof HTMLInputElement && field.type === "checkbox");
}

// Listen to the actions' keys while `element` is in the page.
/** @type {(element: HTMLElement, actions: Review.Action[]) => void} */
export function listenToKeys(element, actions) {
  /** @param {KeyboardEvent} event */
  function press(event) {
    if (!element.isConnected) return document.removeEventListener("keydown", press);
    const action = actions.find((one) => one.key === event.key);
    if (!action || !isForPage(event)) return;
    event.preventDefault();
    action.act();
  }
  document.addEventListener("keydown", press);
}

/** @param {Review.Action[]} actions */
export function keyList(actions) {
  const rows = actions.map(({ key, help }) => h("li", {}, h("kbd", {}, key), ` ${help}`));
  return h(
    "details",
    { class: "review-keys" },
    h("summary", {}, "Keys of the review"),
    h("ul", { class: "plain-list" }, rows),
  );
}
