// Ground truth of the image: annotations as contours over the picture, and the list of those found and missed.

import { get } from "/dashboard/static/api.js";
import { h, notice } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { Grid } from "/dashboard/static/viewer/grid.js";
import { addMatches, FOUND_IOU } from "/dashboard/static/viewer/masks.js";

/** @type {Record<"found" | "missed" | "group", Viewer.Colour>} */
const COLOURS = { found: [255, 225, 40], missed: [255, 90, 90], group: [200, 200, 200] };

/** @param {Api.AnnotatedObject} annotation */
const stateOf = ({ found }) => (found === null ? "group" : found ? "found" : "missed");

// Read the annotations into the session. Returns the section that shows them, or null without any.
/** @type {(session: Viewer.PageSession) => Promise<HTMLElement | null>} */
export async function groundTruth(session) {
  const { run, image } = session;
  /** @type {Api.ImageAnnotations} */
  let answer;
  try {
    answer = await get(`/v1/runs/${run.id}/images/${image.image_id}/annotations`);
  } catch (error) {
    return notice("The annotations cannot be compared", error.message);
  }
  session.annotations = answer;
  addMatches(session.rows, image.masks, answer);
  if (!answer.annotated) return null;
  session.onRefresh.push(() => draw(session, answer.annotations));
  if (!answer.annotations.length) return h("p", { class: "soft" }, "This image has no annotations.");
  return section(session, answer.annotations);
}

/** @type {(session: Viewer.PageSession, annotations: Api.AnnotatedObject[]) => void} */
function draw(session, annotations) {
  const shown = session.choices.truth === "off" ? [] : annotations;
  session.view.setOutlines(
    shown.map((annotation) => ({
      segmentation: annotation.segmentation,
      colour: COLOURS[stateOf(annotation)],
      dashed: stateOf(annotation) !== "found",
    })),
  );
}

/** @param {Viewer.PageSession} session */
const besideMasks = ({ run, image }) =>
  `/dashboard/compare?reference=annotations&run=${run.id}&image=${image.image_id}`;

/** @type {(session: Viewer.PageSession, annotations: Api.AnnotatedObject[]) => HTMLElement} */
function section(session, annotations) {
  const compared = annotations.filter(({ found }) => found !== null);
  const found = compared.filter((one) => one.found).length;
  /** @type {Grid<Api.AnnotatedObject>} */
  const grid = new Grid({
    label: "Annotations",
    columns: [
      {
        key: "state",
        title: "State",
        width: "4.5rem",
        cell: (one) => h("span", { class: `truth-${stateOf(one)}` }, stateOf(one)),
      },
      {
        key: "category",
        title: "Category",
        width: "minmax(5rem, 1fr)",
        cell: (one) => one.category ?? `category ${one.category_id}`,
      },
      { key: "area", title: "Area, px", width: "6rem", number: true, cell: (one) => count(Math.round(one.area)) },
      {
        key: "iou",
        title: "IoU",
        width: "3.6rem",
        number: true,
        cell: (one) => (one.iou === null ? "–" : one.iou.toFixed(2)),
      },
      {
        key: "mask",
        title: "Best mask",
        width: "5.5rem",
        number: true,
        cell: (one) => (one.mask_index === null ? "–" : count(one.mask_index + 1)),
      },
    ],
    onHover: (one) => session.hover(one && one.mask_index !== null ? [one.mask_index] : []),
    onChoose: (one) => {
      if (one.mask_index !== null) session.setPins([one.mask_index]);
      session.zoomTo(one.bbox);
    },
    isChosen: (one) => one.mask_index !== null && session.choices.pins.includes(one.mask_index),
  });
  grid.setRows([...annotations].sort((a, b) => (a.iou ?? 2) - (b.iou ?? 2))); // missed ones first, groups last
  session.onPins.push(() => grid.draw());
  return h(
    "section",
    { class: "truth", "aria-label": "Annotations" },
    h("h2", {}, `${count(found)} of ${count(compared.length)} annotations found at IoU ${FOUND_IOU}`),
    h(
      "p",
      { class: "soft" },
      "Solid contours are found, dashed ones missed; grey ones are groups, which are not compared.",
    ),
    grid.element,
    h("p", {}, h("a", { href: besideMasks(session) }, "Compare the masks with the annotations side by side")),
  );
}
