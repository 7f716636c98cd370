// The images of the job: an upload, a dataset of the server, or a source that the server reads.

import { get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { chosenDataset, datasetPicker } from "/dashboard/static/new/dataset_picker.js";
import { errorPlace } from "/dashboard/static/new/fields.js";
import { sourceForm } from "/dashboard/static/new/source_form.js";
import { uploadPanel } from "/dashboard/static/new/upload_panel.js";

/** @typedef {{ element: HTMLElement, errors: HTMLElement, start(id: string | null): Promise<void> }} Images */

/** @typedef {{ promptFormats: string[], frames: Record<string, import("/dashboard/static/new/setting_field.js").Schema> }} Schemas */

/** @type {(sources: Api.DatasetSources, schemas: Schemas, chosen: (dataset: Api.Dataset | null) => void) => Images} */
export function imageSection(sources, schemas, chosen) {
  const panel = h("div", {});
  const shown = h("div", { role: "status" });
  /** @type {[key: string, title: string, make: () => HTMLElement][]} */
  const ways = [
    ["upload", "Upload", () => uploadPanel(sources.uploads, schemas, take)],
    ["dataset", "Dataset", () => datasetPicker(take, current)],
    ["source", "Source on the server", () => sourceForm(sources.items, schemas.frames, take)],
  ];
  const radios = ways.map(([key]) =>
    h("input", { type: "radio", name: "images", value: key, id: `new-images-${key}`, onchange: draw }),
  );
  function draw() {
    const way = ways.find(([key]) => radios.some((radio) => radio.checked && radio.value === key));
    panel.replaceChildren(way ? way[2]() : "");
  }
  /** @type {string | undefined} */
  let current;
  let turn = 0;
  /** @param {Api.Dataset} dataset */
  async function take(dataset) {
    turn += 1;
    const mine = turn;
    current = dataset.id;
    chosen(dataset);
    const about = await chosenDataset(dataset, take);
    if (mine === turn) shown.replaceChildren(about);
  }
  /** @param {string | null} id */
  async function start(id) {
    const first = radios.find(({ value }) => value === (id ? "dataset" : "upload"));
    if (first) first.checked = true;
    current = id ?? undefined;
    draw();
    if (!id) return;
    try {
      await take(await get(`/v1/datasets/${id}`));
    } catch (error) {
      shown.replaceChildren(h("p", { class: "bad" }, error.message));
    }
  }
  const choices = ways.map(([, title], index) =>
    h("label", { class: "row", for: radios[index].id }, radios[index], title),
  );
  return {
    element: h(
      "div",
      {},
      h("div", { class: "ways", role: "radiogroup", "aria-label": "Kind of images" }, choices),
      panel,
      shown,
    ),
    errors: errorPlace("dataset_id"),
    start,
  };
}
