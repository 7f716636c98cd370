// A modal dialog with a form. Escape and Cancel close it, and the focus returns to what opened it.

import { h } from "/dashboard/static/dom.js";

/**
 * @typedef {object} Form
 * @property {string} title
 * @property {(HTMLElement | string)[]} body
 * @property {string} submit text of the button
 * @property {boolean} [dangerous]
 * @property {() => Promise<HTMLElement[] | null>} act on the form; the elements replace the form, null closes the dialog
 * @property {() => unknown} [closed] also while `act` runs
 */

/** @param {Form} form */
export function openDialog({ title, body, submit, dangerous, act, closed }) {
  const problem = h("p", { class: "bad", role: "alert" });
  const close = h("button", { type: "button", onclick: () => dialog.close() }, "Close without changes");
  /** @type {HTMLButtonElement} */
  const send = h("button", { class: dangerous ? "danger" : "main" }, submit);
  const heading = h("h2", { id: "dialog-title" }, title);
  const fields = h(
    "form",
    { onsubmit: carryOut },
    ...body,
    problem,
    h("p", { class: "dialog-buttons" }, send, " ", close),
  );
  /** @type {HTMLDialogElement} */
  const dialog = h("dialog", { "aria-labelledby": "dialog-title", onclose: remove }, heading, fields);
  function remove() {
    dialog.remove();
    closed?.();
  }
  /** @param {Event} event */
  async function carryOut(event) {
    event.preventDefault();
    problem.replaceChildren();
    send.disabled = true;
    close.replaceChildren("Close");
    try {
      const left = await act();
      if (left === null) return dialog.close();
      const done = h("button", { type: "button", class: "main", onclick: () => dialog.close() }, "Close");
      fields.replaceWith(h("div", {}, ...left, h("p", { class: "dialog-buttons" }, done)));
      done.focus();
    } catch (error) {
      problem.replaceChildren(error.message);
    }
    send.disabled = false;
  }
  document.body.append(dialog);
  dialog.showModal();
  return { send, dialog };
}
