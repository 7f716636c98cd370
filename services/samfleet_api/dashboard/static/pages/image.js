import { get } from "/dashboard/static/api.js";
import { facts, failure, h } from "/dashboard/static/dom.js";
import { bytes, count } from "/dashboard/static/format.js";
import { readChoices } from "/dashboard/static/viewer/address.js";
import {
  choiceFilters,
  numberFilters,
  styleControls,
  truthControl,
  zoomButtons,
} from "/dashboard/static/viewer/controls.js";
import { boxText, maskList } from "/dashboard/static/viewer/list.js";
import { rowsOf } from "/dashboard/static/viewer/masks.js";
import { addKeys, addressOfJob, navigation, neighboursOf } from "/dashboard/static/viewer/navigation.js";
import { panels } from "/dashboard/static/viewer/page_parts.js";
import { requestPicture, showPicture } from "/dashboard/static/viewer/picture.js";
import { ViewerSession } from "/dashboard/static/viewer/session.js";
import { times } from "/dashboard/static/viewer/times.js";
import { groundTruth } from "/dashboard/static/viewer/truth.js";
import { createView } from "/dashboard/static/viewer/view.js";

/** @type {Record<string, string>} */
const CLOCKS = { host: "host clock", cuda_event: "CUDA events on the GPU" };
const KEYS = [
  ["+ − 0", "zoom in, zoom out, show the whole image"],
  ["Shift + arrows", "move the picture"],
  ["← →", "previous and next image"],
  ["↑ ↓ in the list", "go through the masks; Enter pins, H hides, Z zooms to one"],
];

/** @type {(run: Api.Run, image: Api.RunImage) => HTMLElement} */
const aboutImage = (run, image) =>
  facts([
    ["Variant", run.variant],
    ["Pool", run.pool],
    ["Size", image.width && `${image.width} × ${image.height} pixels`],
    ["Batch", image.batch_size && `${image.batch_size} images${image.warmup ? ", warm-up" : ""}`],
    ["Clock", image.clock && (CLOCKS[image.clock] ?? image.clock)],
    ["Energy", image.energy_j !== null && `${image.energy_j.toFixed(2)} J`],
    [
      image.clock === "cuda_event" ? "Peak tensor memory" : "Peak process memory",
      image.peak_memory_bytes && bytes(image.peak_memory_bytes),
    ],
    ["Peak memory reserved by torch", image.peak_reserved_bytes && bytes(image.peak_reserved_bytes)],
  ]);

const keyHelp = () =>
  h("details", { class: "keys" }, h("summary", {}, "Keys"), facts(KEYS.map(([key, does]) => [key, does])));

/** @typedef {ReturnType<typeof requestPicture>} ComingPicture */
/** @typedef {{ view: Viewer.View, body: HTMLElement }} Shown */

// Show a message under the view if the picture cannot be loaded.
/** @type {(view: Viewer.View, image: Api.RunImage, picture: ComingPicture, below: HTMLElement) => Promise<void>} */
async function loadPicture(view, image, picture, below) {
  const problem = await showPicture(view, image, picture);
  if (problem) below.append(h("p", { class: "bad", role: "alert" }, `The picture could not be loaded: ${problem}`));
}

// The picture, and the place of its masks, which come later: thousands take longer than the rest of the page.
/** @type {(run: Api.Run, image: Api.RunImage, picture: ComingPicture, choices: Viewer.Choices, masks: Promise<Api.RunImage>) => Shown} */
function segmented(run, image, picture, choices, masks) {
  const view = createView({ label: `${image.file_name} with its masks; the list has their figures` });
  if (choices.frame) view.setFrame(choices.frame, { quiet: true });
  const bar = h("div", { class: "filters viewer-bar" }, zoomButtons(view));
  const below = h("div", { class: "viewer-below" });
  const side = h(
    "section",
    { class: "viewer-side", "aria-label": "Masks", "aria-busy": "true" },
    h("p", { class: "loading", role: "status" }, "Loading the masks…"),
  );
  loadPicture(view, image, picture, below);
  masks
    .then((whole) => addMasks(new ViewerSession(run, whole, view, rowsOf(whole.masks), choices), bar, side, below))
    .catch((error) => {
      if (error.status !== 401) side.replaceChildren(failure(error));
      side.removeAttribute("aria-busy");
    });
  const frame = h("div", { class: "viewer-picture" }, bar, frameOf(view, image), below);
  return { view, body: h("div", { class: "viewer" }, frame, side) };
}

// Fill the page's parts with the masks, then with what the annotations say about them.
/** @type {(session: ViewerSession, bar: HTMLElement, side: HTMLElement, below: HTMLElement) => Promise<void>} */
async function addMasks(session, bar, side, below) {
  const more = h("div", { class: "more-filters" }, choiceFilters(session));
  side.replaceChildren(h("div", { class: "filters" }, numberFilters(session), more), maskList(session));
  bar.append(...styleControls(session));
  below.prepend(hoverLine(session));
  session.refresh();
  const section = await groundTruth(session);
  if (section) side.append(section);
  if (session.annotations?.annotations.length) bar.append(truthControl(session));
  more.replaceChildren(...choiceFilters(session));
  session.refresh();
  addPanels(session, side);
  side.removeAttribute("aria-busy");
}

// The place of the view, with the proportions of the image as far as the window allows.
/** @type {(view: Viewer.View, image: Api.RunImage) => HTMLElement} */
function frameOf(view, image) {
  const frame = h("div", { class: "viewer-frame" }, view.element);
  if (image.width && image.height) frame.style.setProperty("--aspect", `${image.width} / ${image.height}`);
  return frame;
}

/** @type {(session: Viewer.PageSession, side: HTMLElement) => void} */
function addPanels(session, side) {
  const { run, image, view, selection } = session;
  const context = { run, image, masks: image.masks, selection, view, refresh: () => session.refresh() };
  for (const panel of panels) {
    const element = panel(context);
    if (element) side.append(element);
  }
}

// The mask under the pointer, in words.
/** @param {Viewer.PageSession} session */
function hoverLine(session) {
  const line = h("p", { class: "soft" }, "Point at a mask to see its figures; click to pin it.");
  session.onHover.push(([index]) => {
    const row = session.rows[index];
    if (!row) return;
    const parts = [`Mask ${count(row.index + 1)}`, row.category, `${count(row.area)} px`];
    if (row.predicted !== null) parts.push(`predicted IoU ${row.predicted.toFixed(2)}`);
    if (row.iou !== null) parts.push(`IoU ${row.iou.toFixed(2)}`);
    parts.push(`box ${boxText(row)}`);
    line.textContent = parts.filter(Boolean).join(" · ");
  });
  return line;
}

/** @type {(image: Api.RunImage, picture: ComingPicture, error: Api.ImageError) => Shown} */
function failed(image, picture, error) {
  const view = createView({ label: image.file_name });
  const below = h("div", { class: "viewer-below" });
  loadPicture(view, image, picture, below);
  const reason = h(
    "div",
    { class: "notice error" },
    h("h2", {}, `This image failed: ${error.code}`),
    h("p", {}, error.message),
  );
  return { view, body: h("div", {}, reason, h("div", { class: "viewer-picture" }, frameOf(view, image), below)) };
}

/** @type {(main: HTMLElement, runId: string, imageId: string) => Promise<void>} */
export async function show(main, runId, imageId) {
  const path = `/v1/runs/${runId}/images/${imageId}`;
  const picture = requestPicture(runId, imageId);
  /** @type {Promise<Api.RunImage>} */
  const withoutMasks = get(`${path}?with_masks=false`);
  /** @type {Promise<Api.RunImage>} */
  const masks = withoutMasks.then((image) => (image.error ? image : get(path))); // after it, not beside it
  masks.catch(() => undefined); // the page shows the failure, or that of the first request
  /** @type {Promise<Api.Run>} */
  const reading = get(`/v1/runs/${runId}`);
  /** @type {Promise<Api.Job>} */
  const readingJob = reading.then(({ job_id }) => get(`/v1/jobs/${job_id}`));
  /** @type {[Api.RunImage, Api.Run, Api.Job, Api.Neighbours]} */
  const [image, run, job, near] = await Promise.all([withoutMasks, reading, readingJob, neighboursOf(runId, imageId)]);
  document.title = `${image.file_name} · samfleet`;
  const choices = readChoices();
  const { view, body } = image.error
    ? failed(image, picture, image.error)
    : segmented(run, image, picture, choices, masks);
  const bar = navigation(job, run, image, near, choices);
  addKeys(view, bar);
  main.classList.add("wide");
  main.replaceChildren(
    h("p", {}, h("a", { href: addressOfJob(run) }, "Back to the job")),
    h("h1", {}, image.file_name),
    bar,
    body,
    keyHelp(),
    h("h2", {}, "About this result"),
    aboutImage(run, image),
    h("h2", {}, "Where the time went"),
    ...times(image),
  );
}
