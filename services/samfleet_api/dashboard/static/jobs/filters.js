// The form that filters the list. `go` opens an address of the list.

import { h } from "/dashboard/static/dom.js";
import { addressOf, labelsAsked, STATE_CHOICES, stateChoice, textAsked } from "/dashboard/static/jobs/address.js";

// Links that remove a label from the filters.
function askedChips() {
  const asked = labelsAsked();
  /** @param {string} label */
  const chip = (label) => {
    const href = addressOf({ label: asked.filter((one) => one !== label) });
    const text = `${label.replace(":", ": ")} \u00d7`;
    return h("li", {}, h("a", { class: "chip", href, "aria-label": `Remove the label ${label}` }, text));
  };
  return asked.length ? h("ul", { class: "chips", "aria-label": "Chosen labels" }, asked.map(chip)) : null;
}

/** @param {(address: string) => void} go */
export function filters(go) {
  const chosen = stateChoice();
  const options = STATE_CHOICES.map(([value, , text]) => h("option", { value, selected: value === chosen }, text));
  if (chosen === undefined) options.unshift(h("option", { value: "?", selected: true }, "several"));
  /** @param {Dom.FieldEvent<HTMLSelectElement>} event */
  const choose = ({ target }) =>
    go(addressOf({ state: STATE_CHOICES.find(([value]) => value === target.value)?.[1] ?? [] }));
  const search = h("input", { type: "search", value: textAsked(), maxlength: 200 });
  const label = h("input", { placeholder: "team:shelves", maxlength: 400, autocapitalize: "off" });
  /** @param {Event} event */
  const find = (event) => {
    event.preventDefault();
    const added = label.value.trim().replace(/\s*[:=]\s*/, ":");
    const labels = added ? [...new Set([...labelsAsked(), added.includes(":") ? added : `${added}:`])] : labelsAsked();
    go(addressOf({ q: search.value.trim(), label: labels }));
  };
  return h(
    "form",
    { class: "filters", role: "search", onsubmit: find },
    h("label", {}, "State", h("select", { onchange: choose }, options)),
    h("label", {}, "Name or notes", search),
    h("label", {}, "Label", label),
    h("button", {}, "Search"),
    askedChips(),
  );
}
