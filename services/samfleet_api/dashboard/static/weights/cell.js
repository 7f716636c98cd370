// Whether a variant's weights are here, and buttons that let the server fetch them, and stop it.

import { get, post, remove } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { bytes, percent } from "/dashboard/static/format.js";

const LOOK_AGAIN_MS = 1000;

// `pulled` is called with the variant after its weights have come. The variant is changed in place.
/** @type {(variant: Api.Variant, pulled?: () => void) => HTMLElement} */
export function weightsCell(variant, pulled = () => undefined) {
  const place = h("div", { class: "weights" });
  function draw() {
    const missing = variant.weights.some(({ present }) => present === false);
    place.replaceChildren(...lines(variant), missing ? pullButton(variant, done) : "");
  }
  async function done() {
    Object.assign(variant, await get(`/v1/variants/${encodeURIComponent(variant.name)}`));
    draw();
    pulled();
  }
  draw();
  return place;
}

// One line if all pools agree, else one for each.
/** @type {(variant: Api.Variant) => HTMLElement[]} */
function lines({ weights, checkpoint }) {
  const size = checkpoint.size_bytes ? bytes(checkpoint.size_bytes) : "size not published";
  const states = [...new Set(weights.map(({ present }) => present))];
  if (states.length === 1) return [stateLine("", states[0], `, ${size}`)];
  return [
    ...weights.map(({ pool, present }) => stateLine(`${pool}: `, present, "")),
    h("span", { class: "small soft" }, size),
  ];
}

/** @type {(before: string, present: boolean | null, after: string) => HTMLElement} */
function stateLine(before, present, after) {
  const [tone, words] = present
    ? ["good", "present"]
    : present === false
      ? ["wait", "missing"]
      : ["soft", "not known here; only its Triton server can tell"];
  return h("span", { class: `${tone} block` }, `${before}${words}${after}`);
}

/** @type {(variant: Api.Variant, done: () => Promise<void>) => HTMLElement} */
function pullButton({ name, licences_to_accept: unaccepted }, done) {
  const path = `/v1/variants/${encodeURIComponent(name)}/pull`;
  const bar = h("progress", { max: 1, hidden: true, "aria-label": `Download of ${name}` });
  const said = h("span", { class: "small soft block", role: "status" });
  const button = h(
    "button",
    { type: "button", disabled: unaccepted.length > 0, "aria-label": `Pull the weights of ${name}`, onclick: pull },
    "Pull",
  );
  const stop = h(
    "button",
    { type: "button", hidden: true, "aria-label": `Cancel the pull of ${name}`, onclick: cancel },
    "Cancel",
  );
  async function pull() {
    button.disabled = true;
    said.classList.remove("bad");
    said.replaceChildren("Requested…");
    try {
      let now = /** @type {Api.WeightPull} */ (await post(path));
      stop.disabled = stop.hidden = false;
      while (now.state === "queued" || now.state === "running") {
        show(now);
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
        now = await get(path);
      }
      if (now.error) throw new Error(`${now.error.message} (${now.error.code})`);
      if (now.state === "cancelled") ended("Cancelled. Nothing of the file is kept.", false);
      else await done();
    } catch (error) {
      ended(error.message, true);
    }
  }
  async function cancel() {
    stop.disabled = true;
    try {
      await remove(path); // the next look shows the state
    } catch (error) {
      stop.disabled = false;
      said.replaceChildren(error.message);
    }
  }
  /** @type {(text: string, bad: boolean) => void} */
  function ended(text, bad) {
    const focused = document.activeElement === stop;
    said.replaceChildren(text);
    said.classList.toggle("bad", bad);
    bar.hidden = stop.hidden = true;
    button.disabled = false;
    if (focused) button.focus();
  }
  /** @param {Api.WeightPull} now */
  function show({ state, file, done_bytes: received, total_bytes: total }) {
    bar.hidden = state === "queued";
    if (total) bar.value = received / total;
    else bar.removeAttribute("value");
    const share = total ? ` of ${bytes(total)}, ${percent(received / total)}` : "";
    said.replaceChildren(
      state === "queued" ? "Waits for the server." : `${file ?? "the file"}: ${bytes(received)}${share}`,
    );
  }
  return h("div", {}, button, stop, bar, said);
}
