// Whether a variant's weights are here, and a button that lets the server fetch them.

import { get, post } from "/dashboard/static/api.js";
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
  async function pull() {
    button.disabled = true;
    said.replaceChildren("Requested…");
    try {
      let now = /** @type {Api.WeightPull} */ (await post(path));
      while (now.state === "queued" || now.state === "running") {
        show(now);
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
        now = await get(path);
      }
      if (now.error) throw new Error(`${now.error.message} (${now.error.code})`);
      await done();
    } catch (error) {
      said.replaceChildren(error.message);
      said.classList.add("bad");
      bar.hidden = true;
      button.disabled = false;
    }
  }
  /** @param {Api.WeightPull} now */
  function show({ state, file, done_bytes: received, total_bytes: total }) {
    bar.hidden = state === "queued";
    if (total) bar.value = received / total;
    else bar.removeAttribute("value");
    const share = total ? ` of ${bytes(total)}, ${percent(received / total)}` : "";
    said.classList.remove("bad");
    said.replaceChildren(
      state === "queued" ? "Waits for the server." : `${file ?? "the file"}: ${bytes(received)}${share}`,
    );
  }
  return h("div", {}, button, bar, said);
}
