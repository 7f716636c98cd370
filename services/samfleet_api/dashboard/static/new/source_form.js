// A dataset of images that the server finds itself: a folder, a bucket, a manifest or an archive.

import { post } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { clearErrors, labelled, showErrors } from "/dashboard/static/new/fields.js";
import { frameFields } from "/dashboard/static/new/frames.js";
import { listedDataset } from "/dashboard/static/new/upload.js";
import { imagesOf } from "/dashboard/static/new/words.js";

/** @type {Partial<Record<Api.DatasetSource, { title: string, field: string, label: string, files: boolean }>>} */
const KINDS = {
  directory: { title: "Folder on the server", field: "directory", label: "Folder", files: true },
  s3: { title: "Bucket", field: "url", label: "Address (s3://bucket/folder)", files: false },
  manifest: { title: "Manifest", field: "manifest", label: "Manifest (path or s3:// address)", files: false },
  archive: { title: "Archive on the server", field: "archive", label: "Archive (path or s3:// address)", files: false },
};

/** @typedef {Record<string, import("/dashboard/static/new/setting_field.js").Schema>} FrameSchema */

/** @type {(sources: Api.AllowedSource[], schema: FrameSchema, done: (dataset: Api.Dataset) => void) => HTMLElement} */
export function sourceForm(sources, schema, done) {
  const known = sources.filter(({ source }) => source in KINDS);
  if (!known.length)
    return h(
      "p",
      { class: "soft" },
      "This server takes uploads only. SAMFLEET_DATASET_ROOTS and SAMFLEET_S3_SOURCES allow folders and buckets.",
    );
  const kind = h(
    "select",
    { onchange: draw },
    known.map(({ source }) => h("option", { value: source }, KINDS[source]?.title)),
  );
  const place = h("input", { required: true, maxlength: 4096, autocomplete: "off", spellcheck: "false" });
  const annotations = h("input", { maxlength: 4096, autocomplete: "off", spellcheck: "false" });
  const detections = h("input", { maxlength: 4096, autocomplete: "off", spellcheck: "false" });
  const prompts = h("input", { maxlength: 4096, autocomplete: "off", spellcheck: "false" });
  const limit = h("input", { type: "number", min: 1, step: 1, placeholder: "all" });
  const name = h("input", { maxlength: 200, placeholder: "name of the folder or file" });
  const frames = frameFields(schema);
  const said = h("p", { class: "soft", role: "status" });
  const submit = h("button", { type: "submit", class: "main" }, "Make the dataset");
  const fields = h("div", { class: "filters" });
  function draw() {
    const chosen = KINDS[/** @type {Api.DatasetSource} */ (kind.value)];
    const places = known.find(({ source }) => source === kind.value)?.places ?? [];
    fields.replaceChildren(
      labelled("source", "Kind", kind),
      labelled("place", chosen?.label ?? "", place, `Below ${places.join(", ")}`),
      ...(chosen?.files
        ? [
            labelled("annotations_path", "Annotations (COCO, optional)", annotations),
            labelled("detections_path", "Detections (COCO results, optional)", detections),
          ]
        : []),
      labelled("prompts_path", "Prompts file (optional)", prompts),
      labelled("limit", "Only the first", limit),
      labelled("name", "Name of the dataset", name),
    );
  }
  function body() {
    const chosen = KINDS[/** @type {Api.DatasetSource} */ (kind.value)];
    const given = {
      [chosen?.field ?? ""]: place.value.trim(),
      prompts_path: prompts.value.trim(),
      name: name.value.trim(),
      ...(chosen?.files
        ? { annotations_path: annotations.value.trim(), detections_path: detections.value.trim() }
        : {}),
    };
    const text = Object.fromEntries(Object.entries(given).filter(([, value]) => value));
    return { source: kind.value, ...text, ...frames.read(), ...(limit.value ? { limit: Number(limit.value) } : {}) };
  }
  /** @param {Event} event */
  async function make(event) {
    event.preventDefault();
    submit.disabled = true;
    clearErrors(form);
    said.replaceChildren("The server reads the source…");
    try {
      const { id } = /** @type {Api.Dataset} */ (await post("/v1/datasets", body()));
      const show = (/** @type {Api.Dataset} */ now) =>
        said.replaceChildren(`${count(now.listed)} entries read, ${imagesOf(now.image_count)} found.`);
      const dataset = await listedDataset(id, show, new AbortController().signal);
      if (dataset.state === "sealed") done(dataset);
      else refuse(Object.assign(new Error(dataset.error?.message), { code: dataset.error?.code }));
    } catch (error) {
      refuse(error);
    }
    submit.disabled = false;
  }
  /** @param {Error & { code?: string, errors?: Api.FieldError[] }} error */
  function refuse(error) {
    const named = KINDS[/** @type {Api.DatasetSource} */ (kind.value)]?.field;
    const errors = error.errors?.map((one) => ({
      ...one,
      location: one.location.map((part) => (part === named ? "place" : part)),
    }));
    said.replaceChildren(...showErrors(form, Object.assign(new Error(error.message), { code: error.code, errors })));
  }
  const form = h("form", { onsubmit: make, novalidate: true }, fields, frames.element, h("p", {}, submit), said);
  draw();
  return form;
}
