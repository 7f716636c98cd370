// The stages of an image's time, in the API's order; asked for once a page.

import { get } from "/dashboard/static/api.js";

let names = [];

export async function loadStages() {
  names = (await get("/v1/reports/stages")).items.map((stage) => stage.name);
}

export const stageNames = () => names;
