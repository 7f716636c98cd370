// Names of the stages in the API's order, loaded once per page.

import { get } from "/dashboard/static/api.js";

/** @type {string[]} */
let names = [];

export async function loadStages() {
  /** @type {Api.StageList} */
  const stages = await get("/v1/reports/stages");
  names = stages.items.map((stage) => stage.name);
}

export const stageNames = () => names;
