// Names of the stages in the API's order, loaded once per page.

import { get } from "/dashboard/static/api.js";

let names = [];

export async function loadStages() {
  names = (await get("/v1/reports/stages")).items.map((stage) => stage.name);
}

export const stageNames = () => names;
