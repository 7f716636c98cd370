// Where the time of an image went.

import { waterfall } from "/dashboard/static/charts/stages.js";
import { h, notice, table } from "/dashboard/static/dom.js";
import { milliseconds } from "/dashboard/static/format.js";

/** @type {(image: Api.RunImage) => HTMLElement[]} */
export function times(image) {
  /** @type {[string, number][]} */
  const parts = Object.entries(image.stages).map(([stage, time]) => [stage, time.ms]);
  if (!parts.length) return [notice("No times", "The image failed before any stage was measured.")];
  return [
    h("div", { class: "card" }, waterfall("Stages of this image in order", parts)),
    table(
      "Stages of this image",
      [
        { title: "Stage", value: ([stage]) => stage },
        { title: "This image", number: true, value: ([, time]) => milliseconds(time.ms) },
        {
          title: "Whole batch",
          number: true,
          value: ([, time]) => (time.batch_ms === null ? "–" : milliseconds(time.batch_ms)),
        },
      ],
      Object.entries(image.stages),
    ),
  ];
}
