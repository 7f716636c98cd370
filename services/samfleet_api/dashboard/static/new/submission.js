// The estimate beside the form, and the button that submits the job.

import { h } from "/dashboard/static/dom.js";
import { estimateView } from "/dashboard/static/new/estimate.js";
import { clearErrors, showErrors } from "/dashboard/static/new/fields.js";
import { postJson } from "/dashboard/static/new/request.js";

const WAIT_MS = 400; // after a change, before the estimate
const NOT_ASKED = "Choose images and at least one variant.";

/** @typedef {{ dataset_id?: string, variants: string[] }} Body */

/** @type {(form: HTMLElement, read: () => Body) => { element: HTMLElement, changed(dataset: Api.Dataset | null): void }} */
export function submission(form, read) {
  const place = h("div", {}, h("p", { class: "soft" }, NOT_ASKED));
  const said = h("p", { class: "bad", role: "alert" });
  const button = h("button", { type: "button", class: "main", disabled: true, onclick: submit }, "Submit job");
  const key = keyed();
  let timer = 0,
    turn = 0;
  async function estimate() {
    const mine = turn;
    place.setAttribute("aria-busy", "true");
    try {
      const found = await postJson("/v1/job-estimate", read());
      if (mine !== turn) return;
      clearErrors(form);
      place.replaceChildren(estimateView(found));
      said.replaceChildren();
    } catch (error) {
      if (mine !== turn) return;
      place.replaceChildren(h("p", { class: "soft" }, "No estimate: the server would refuse this job."));
      said.replaceChildren(...showErrors(form, error));
    } finally {
      if (mine === turn) place.removeAttribute("aria-busy");
    }
  }
  async function submit() {
    button.disabled = true;
    said.replaceChildren();
    const body = read();
    try {
      const job = await postJson("/v1/jobs", body, { "Idempotency-Key": key(JSON.stringify(body)) });
      location.assign(`/dashboard/jobs/${job.id}`);
    } catch (error) {
      const rest = showErrors(form, error);
      said.replaceChildren(...(rest.length ? rest : ["The job was refused. The reason stands beside the field."]));
      form.querySelector("[aria-invalid=true]")?.scrollIntoView({ block: "center" });
      button.disabled = false;
    }
  }
  return {
    element: h(
      "aside",
      { class: "card estimate", "aria-label": "Estimate" },
      h("h2", {}, "Estimate"),
      h("div", { "aria-live": "polite" }, place),
      button,
      said,
    ),
    changed(dataset) {
      clearTimeout(timer);
      turn += 1;
      const { variants } = read();
      const complete = dataset !== null && variants.length > 0;
      button.disabled = !complete;
      if (complete) timer = setTimeout(estimate, WAIT_MS);
      else {
        clearErrors(form);
        place.removeAttribute("aria-busy");
        place.replaceChildren(h("p", { class: "soft" }, NOT_ASKED));
      }
    },
  };
}

// A key for each body, so that the same job, sent twice, is submitted once.
function keyed() {
  let last = "",
    key = "";
  return (/** @type {string} */ body) => {
    if (body !== last)
      key = Array.from(crypto.getRandomValues(new Uint32Array(4)), (one) => one.toString(16).padStart(8, "0")).join("");
    last = body;
    return key;
  };
}
