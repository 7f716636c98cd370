// Upload of images or of one archive, with files of annotations, detections and prompts.

import { addressWith, filter, get, remove } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { bytes, count } from "/dashboard/static/format.js";
import { clearErrors, labelled, showErrors } from "/dashboard/static/new/fields.js";
import { dropZone } from "/dashboard/static/new/drop_zone.js";
import { needsFrames, sortFiles } from "/dashboard/static/new/files.js";
import { fillDataset } from "/dashboard/static/new/fill_dataset.js";
import { frameFields } from "/dashboard/static/new/frames.js";
import { openUpload } from "/dashboard/static/new/upload.js";
import { refusedList } from "/dashboard/static/new/upload_refused.js";
import { imagesOf } from "/dashboard/static/new/words.js";

/** @typedef {import("/dashboard/static/new/files.js").Chosen} Chosen */
/** @typedef {import("/dashboard/static/new/files.js").Refusal} Refusal */

/** @type {[route: string, label: string, accept: string][]} */
const LABEL_FILES = [
  ["annotations", "Annotations (COCO instances)", ".json"],
  ["detections", "Detections (COCO results)", ".json"],
  ["prompts", "Prompts file", ".jsonl,.json,.csv,.zip"],
];

class UploadPanel {
  /**
   * @param {Api.UploadLimits} limits
   * @param {import("/dashboard/static/new/images.js").Schemas} schemas
   * @param {(dataset: Api.Dataset) => void} done
   */
  constructor(limits, schemas, done) {
    this.limits = limits;
    this.done = done;
    /** @type {Chosen["files"]} */
    this.files = [];
    this.sorted = sortFiles([], limits);
    this.frames = frameFields(schemas.frames, () => this.sort());
    /** @type {AbortController | null} */
    this.running = null;
    this.open = filter("upload"); // id of the dataset that is being filled
    this.name = h("input", { maxlength: 200, placeholder: "name of the dataset" });
    this.labels = LABEL_FILES.map(([route, text, accept]) => ({
      route,
      text,
      field: h("input", { type: "file", accept }),
    }));
    const formats = schemas.promptFormats.map((one) => h("option", { value: one }, one.replaceAll("_", " ")));
    this.format = h("select", {}, formats);
    this.said = h("p", { class: "soft", role: "status" });
    this.refused = h("div");
    this.bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
    this.start = h("button", { type: "button", class: "main", disabled: true, onclick: () => this.send() }, "Upload");
    this.stop = h("button", { type: "button", hidden: true, onclick: () => this.cancel() }, "Cancel");
    this.panel = this.element();
    if (this.open) this.resume(this.open).catch((error) => this.say(error.message));
  }

  element() {
    const fields = [
      labelled("name", "Name of the dataset", this.name),
      ...this.labels.map(({ route, text, field }) => labelled(route, text, field)),
      labelled("prompts_format", "Format of the prompts file", this.format),
    ];
    const more = h(
      "details",
      {},
      h("summary", {}, "Name, annotations, detections and prompts"),
      h("div", { class: "filters" }, fields),
      h("p", { class: "small soft" }, "They belong to uploaded images, not to an archive."),
    );
    const zone = dropZone((chosen) => this.choose(chosen));
    return h(
      "div",
      {},
      zone,
      this.said,
      this.refused,
      this.frames.element,
      more,
      this.bar,
      h("p", {}, this.start, " ", this.stop),
    );
  }

  /** @param {string} text */
  say(text) {
    this.said.replaceChildren(text);
  }

  /** @param {Chosen} chosen */
  choose({ files, folder }) {
    this.files = files;
    this.name.value ||= folder;
    if (files.some(({ name }) => needsFrames(name, this.limits))) this.frames.element.setAttribute("open", "");
    this.sort();
  }

  // Say what will be uploaded, after a choice of files or frames.
  sort() {
    if (!this.files.length || this.running) return;
    this.sorted = sortFiles(this.files, this.limits, this.frames.chosen());
    const { images, archive, refused } = this.sorted;
    const size = images.reduce((sum, { file }) => sum + file.size, archive?.file.size ?? 0);
    const videos = images.filter(({ name }) => needsFrames(name, this.limits)).length;
    const pictures = [imagesOf(images.length - videos), videos ? `${count(videos)} with frames` : ""];
    const what = archive ? `the archive ${archive.name}` : pictures.filter(Boolean).join(", ");
    this.say(images.length || archive ? `Chosen: ${what}, ${bytes(size)}.` : "No image is among these files.");
    this.refused.replaceChildren(refusedList(refused));
    this.start.disabled = !(images.length || archive);
  }

  async send() {
    this.running = new AbortController();
    this.start.disabled = true;
    this.stop.hidden = this.bar.hidden = false;
    clearErrors(this.panel);
    try {
      const dataset = await this.fill(this.running.signal);
      if (!dataset) return;
      this.close(`Uploaded: ${imagesOf(dataset.image_count)}.`);
      this.start.disabled = true;
      this.done(dataset);
    } catch (error) {
      this.interrupt(error);
    } finally {
      this.stop.hidden = true;
      this.running = null;
    }
  }

  /** @param {AbortSignal} signal */
  async fill(signal) {
    if (!this.open) this.open = (await openUpload(this.name.value.trim() || null, this.frames.read())).id;
    this.frames.lock(true); // the open dataset has the choice
    history.replaceState(null, "", addressWith({ upload: this.open }));
    const labels = this.labels.flatMap(({ route, field }) =>
      field.files?.length ? [{ route, file: field.files[0] }] : [],
    );
    const content = { sorted: this.sorted, labels, format: this.format.value, limits: this.limits };
    const show = {
      said: (/** @type {string} */ text) => this.say(text),
      done: (/** @type {number} */ share) => {
        this.bar.value = share;
      },
      refused: (/** @type {Refusal[]} */ all) => this.refused.replaceChildren(refusedList(all)),
    };
    return fillDataset(this.open, content, show, signal);
  }

  /** @param {Error & { code?: string }} error */
  interrupt(error) {
    if (error.code === "aborted") return;
    if (!this.open) {
      this.refuse(error);
      return;
    }
    if (error.code === "dataset_failed") {
      this.close(error.message);
      return;
    }
    this.say(`${error.message} Nothing is lost: the upload continues where it stopped.`);
    this.start.replaceChildren("Continue");
    this.start.disabled = false;
  }

  // The dataset could not be made; nothing was sent.
  /** @param {Error & { code?: string }} error */
  refuse(error) {
    const rest = showErrors(this.panel, error);
    this.close(rest.length ? rest.join("; ") : "The upload was refused. The reason stands beside the field.");
  }

  // The next upload makes another dataset.
  /** @param {string} reason */
  close(reason) {
    this.open = "";
    this.frames.lock(false);
    history.replaceState(null, "", addressWith({ upload: null }));
    this.bar.hidden = true;
    this.start.replaceChildren("Upload");
    this.start.disabled = false;
    this.say(reason);
  }

  async cancel() {
    this.running?.abort();
    const id = this.open;
    this.close("Cancelled. What was uploaded is deleted.");
    if (id) await remove(`/v1/datasets/${id}`).catch((error) => this.say(error.message));
  }

  // A reloaded page has no files any more; the dataset still has what was sent, and its choice of frames.
  /** @param {string} id */
  async resume(id) {
    /** @type {Api.Dataset} */
    const dataset = await get(`/v1/datasets/${id}`);
    if (dataset.state !== "open") return;
    this.frames.fill(dataset);
    this.frames.lock(true);
    this.say(`An upload was interrupted after ${imagesOf(dataset.image_count)}. Choose the same files to continue it.`);
  }
}

// `done` gets the sealed dataset.
/** @type {(limits: Api.UploadLimits, schemas: import("/dashboard/static/new/images.js").Schemas, done: (dataset: Api.Dataset) => void) => HTMLElement} */
export const uploadPanel = (limits, schemas, done) => new UploadPanel(limits, schemas, done).panel;
