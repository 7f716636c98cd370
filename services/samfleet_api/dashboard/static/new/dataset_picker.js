// Choice of a dataset that the server has: searched by name, then a version of it.

import { get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count, moment } from "/dashboard/static/format.js";
import { framesInWords } from "/dashboard/static/new/frames.js";
import { imagesOf } from "/dashboard/static/new/words.js";

const SHOWN = 20;
const WAIT_MS = 250; // after a key, before the search

// `chosen` gets the dataset; only sealed ones can be chosen.
/** @type {(chosen: (dataset: Api.Dataset) => void, current: string | undefined) => HTMLElement} */
export function datasetPicker(chosen, current) {
  const field = h("input", {
    type: "search",
    id: "new-dataset-search",
    autocomplete: "off",
    placeholder: "part of a name or of the notes",
  });
  const list = h("div", { class: "new-choices", role: "radiogroup", "aria-label": "Datasets" });
  const said = h("p", { class: "small soft", role: "status" });
  let timer = 0,
    turn = 0;
  async function search() {
    turn += 1;
    const mine = turn;
    const text = field.value.trim();
    const query = new URLSearchParams({ limit: String(SHOWN), ...(text ? { q: text } : {}) });
    try {
      /** @type {Api.DatasetPage} */
      const page = await get(`/v1/datasets?${query}`);
      if (mine !== turn) return;
      list.replaceChildren(
        ...page.items.map((dataset) => choice(dataset, dataset.id === current, () => chosen(dataset))),
      );
      said.replaceChildren(summary(page, text));
    } catch (error) {
      if (mine === turn) said.replaceChildren(error.message);
    }
  }
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(search, WAIT_MS);
  });
  search();
  return h("div", {}, h("label", { for: field.id }, "Search"), field, said, list);
}

/** @type {(page: Api.DatasetPage, text: string) => string} */
function summary(page, text) {
  if (!page.items.length) return text ? "No dataset matches." : "There is no dataset yet. Upload images to make one.";
  return page.next ? `The newest ${count(page.items.length)}; search to find others.` : "";
}

/** @type {(dataset: Api.Dataset, checked: boolean, choose: () => void) => HTMLElement} */
function choice(dataset, checked, choose) {
  const usable = dataset.state === "sealed";
  const radio = h("input", {
    type: "radio",
    name: "dataset",
    value: dataset.id,
    disabled: !usable,
    checked,
    onchange: choose,
  });
  const version = dataset.version > 1 ? `, version ${dataset.version}` : "";
  const state = usable ? "" : `, ${dataset.state}`;
  const about = `${imagesOf(dataset.image_count)}${version}${state}, ${moment(dataset.created_at)}`;
  return h(
    "label",
    { class: "row" },
    radio,
    h("span", {}, dataset.name, h("span", { class: "small soft block" }, about)),
  );
}

// The chosen dataset, what it has, and a choice of its versions.
/** @type {(dataset: Api.Dataset, changed: (dataset: Api.Dataset) => void) => Promise<HTMLElement>} */
export async function chosenDataset(dataset, changed) {
  /** @type {Api.DatasetPage} */
  const versions = await get(`/v1/datasets/${dataset.id}/versions`);
  const sealed = versions.items.filter((one) => one.state === "sealed");
  const select = h(
    "select",
    {
      id: "new-version",
      /** @param {Dom.FieldEvent<HTMLSelectElement>} event */
      onchange: ({ target }) => {
        const found = sealed.find((one) => one.id === target.value);
        if (found) changed(found);
      },
    },
    sealed.map((one) =>
      h("option", { value: one.id, selected: one.id === dataset.id }, `${one.version}: ${imagesOf(one.image_count)}`),
    ),
  );
  const version =
    sealed.length > 1 ? h("div", { class: "new-field" }, h("label", { for: select.id }, "Version"), select) : null;
  return h("div", { class: "chosen" }, h("p", {}, h("strong", {}, dataset.name), `: ${contents(dataset)}`), version);
}

/** @param {Api.Dataset} dataset */
function contents(dataset) {
  /** @type {[number | null, string][]} */
  const counts = [
    [dataset.image_count, "images"],
    [dataset.annotation_count, "annotations"],
    [dataset.detection_count, "detections"],
    [dataset.prompt_count, "prompts"],
  ];
  const words = counts.flatMap(([number, what]) => (number === null ? [] : [`${count(number)} ${what}`]));
  const frames = framesInWords(dataset);
  return [...words, ...(frames ? [`of videos and animations ${frames}`] : [])].join(", ");
}
