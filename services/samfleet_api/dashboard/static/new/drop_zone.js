// Where files are dropped or chosen.

import { h } from "/dashboard/static/dom.js";
import { chosenFiles, droppedFiles } from "/dashboard/static/new/files.js";

/** @typedef {import("/dashboard/static/new/files.js").Chosen} Chosen */

/** @type {(choose: (chosen: Chosen) => void) => HTMLElement} */
export function dropZone(choose) {
  const files = h("input", {
    type: "file",
    multiple: true,
    class: "visually-hidden",
    tabindex: "-1",
    "aria-hidden": "true",
  });
  const folder = h("input", {
    type: "file",
    webkitdirectory: true,
    class: "visually-hidden",
    tabindex: "-1",
    "aria-hidden": "true",
  });
  for (const field of [files, folder])
    field.addEventListener("change", () => {
      if (field.files?.length) choose(chosenFiles(field.files));
      field.value = "";
    });
  const zone = h(
    "div",
    { class: "drop", role: "group", "aria-label": "Images to upload" },
    h("p", {}, "Drop images, videos, folders or one archive here."),
    h("button", { type: "button", onclick: () => files.click() }, "Choose files"),
    " ",
    h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder"),
    files,
    folder,
  );
  const over = (/** @type {boolean} */ is) => zone.classList.toggle("over", is);
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  zone.addEventListener("dragleave", () => over(false));
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    over(false);
    if (event.dataTransfer) choose(await droppedFiles(event.dataTransfer));
  });
  return zone;
}
