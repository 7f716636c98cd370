// Upload of images or of one archive, with files of annotations, detections and prompts.

import { addressWith, filter, get, remove } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { bytes } from "/dashboard/static/format.js";
import { errorPlace, labelled } from "/dashboard/static/new/fields.js";
import { dropZone } from "/dashboard/static/new/drop_zone.js";
import { sortFiles } from "/dashboard/static/new/files.js";
import { fillDataset } from "/dashboard/static/new/fill_dataset.js";
import { openUpload } from "/dashboard/static/new/upload.js";
import { refusedList } from "/dashboard/static/new/upload_refused.js";
import { imagesOf } from "/dashboard/static/new/words.js";

/** @typedef {import("/dashboard/static/new/files.js").NamedFile} NamedFile */
/** @typedef {import("/dashboard/static/new/files.js").Refusal} Refusal */

/** @type {[route: string, label: string, accept: string][]} */
const LABEL_FILES = [
  ["annotations", "Annotations (COCO instances)", ".json"],
  ["detections", "Detections (COCO results)", ".json"],
  ["prompts", "Prompts file", ".jsonl,.json,.csv,.zip"],
];

// `done` gets the sealed dataset.
/** @type {(limits: Api.UploadLimits, promptFormats: string[], done: (dataset: Api.Dataset) => void) => HTMLElement} */
export function uploadPanel(limits, promptFormats, done) {
  /** @type {ReturnType<typeof sortFiles>} */
  let sorted = { images: [], archive: null, refused: [] };
  /** @type {AbortController | null} */
  let running = null;
  let open = filter("upload");
  const name = h("input", { maxlength: 200, placeholder: "name of the dataset" });
  const labels = LABEL_FILES.map(([route, text, accept]) => ({
    route,
    text,
    field: h("input", { type: "file", accept }),
  }));
  const format = h(
    "select",
    {},
    promptFormats.map((one) => h("option", { value: one }, one.replaceAll("_", " "))),
  );
  const said = h("p", { class: "soft", role: "status" });
  const refused = h("div");
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
  const start = h("button", { type: "button", class: "main", disabled: true, onclick: send }, "Upload");
  const stop = h("button", { type: "button", hidden: true, onclick: cancel }, "Cancel");

  /** @param {NamedFile[]} files */
  function choose(files) {
    sorted = sortFiles(files, limits);
    const { images, archive } = sorted;
    const size = images.reduce((sum, { file }) => sum + file.size, archive?.file.size ?? 0);
    const what = archive ? `the archive ${archive.name}` : `${imagesOf(images.length)}`;
    say(images.length || archive ? `Chosen: ${what}, ${bytes(size)}.` : "No image is among these files.");
    refused.replaceChildren(refusedList(sorted.refused));
    start.disabled = !(images.length || archive);
  }

  const show = {
    said: (/** @type {string} */ text) => say(text),
    done: (/** @type {number} */ share) => {
      bar.value = share;
    },
    refused: (/** @type {Refusal[]} */ all) => refused.replaceChildren(refusedList(all)),
  };

  /** @param {string} text */
  const say = (text) => said.replaceChildren(text);

  async function send() {
    running = new AbortController();
    start.disabled = true;
    stop.hidden = bar.hidden = false;
    try {
      if (!open) open = (await openUpload(name.value.trim() || null)).id;
      history.replaceState(null, "", addressWith({ upload: open }));
      const given = labels.flatMap(({ route, field }) =>
        field.files?.length ? [{ route, file: field.files[0] }] : [],
      );
      const dataset = await fillDataset(
        open,
        { sorted, labels: given, format: format.value, limits },
        show,
        running.signal,
      );
      if (!dataset) return;
      open = "";
      history.replaceState(null, "", addressWith({ upload: null }));
      done(dataset);
      say(`Uploaded: ${imagesOf(dataset.image_count)}.`);
      bar.hidden = true;
    } catch (error) {
      if (error.code === "aborted") return;
      if (error.code === "dataset_failed") return fail(error.message);
      say(`${error.message} Nothing is lost: the upload continues where it stopped.`);
      start.replaceChildren("Continue");
      start.disabled = false;
    } finally {
      stop.hidden = true;
      running = null;
    }
  }

  /** @param {string} reason */
  function fail(reason) {
    open = "";
    history.replaceState(null, "", addressWith({ upload: null }));
    bar.hidden = true;
    start.replaceChildren("Upload");
    start.disabled = false;
    say(reason);
  }

  async function cancel() {
    running?.abort();
    const id = open;
    fail("Cancelled. What was uploaded is deleted.");
    if (id) await remove(`/v1/datasets/${id}`).catch((error) => say(error.message));
  }

  if (open) resume(open, say).catch((error) => say(error.message));
  return h(
    "div",
    { class: "upload" },
    dropZone(choose),
    said,
    refused,
    h(
      "details",
      {},
      h("summary", {}, "Name, annotations, detections and prompts"),
      h(
        "div",
        { class: "filters" },
        labelled("upload_name", "Name of the dataset", name),
        ...labels.map(({ route, text, field }) => labelled(route, text, field)),
        labelled("prompts_format", "Format of the prompts file", format),
      ),
      h("p", { class: "small soft" }, "They belong to uploaded images, not to an archive."),
    ),
    bar,
    h("p", {}, start, " ", stop, errorPlace("upload")),
  );
}

// A reloaded page has no files any more; the dataset still has what was sent.
/** @type {(id: string, say: (text: string) => void) => Promise<void>} */
async function resume(id, say) {
  /** @type {Api.Dataset} */
  const dataset = await get(`/v1/datasets/${id}`);
  if (dataset.state === "open")
    say(`An upload was interrupted after ${imagesOf(dataset.image_count)}. Choose the same files to continue it.`);
}
