// The stages of an image's time, in the API's order; asked for once a page.

import { get } from "/dashboard/static/api.js";

/** @type {string[]} */
let names = [];

export async function loadStages() {
  /** @type {Api.StageList} */
  const stages = await get("/v1/reports/stages");
  names = stages.items.map((stage) => stage.name);
}

export const stageNames = () => names;
