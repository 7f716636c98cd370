// The annotations of an image as a side of the comparison, and the sums of a run over all annotated images.

import { get } from "/dashboard/static/api.js";
import { facts, h, notice } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";

const GROUPS =
  "Groups of objects, annotated as one area, are grey. They are not matched, and masks in them not counted.";

/** @type {(side: Compare.Side, runId: string, imageId: string) => Promise<Compare.SideImage>} */
export async function annotationsOf(side, runId, imageId) {
  /** @type {Compare.SideImage} */
  const found = { side, image: null, problem: null, kinds: [], matched: null };
  try {
    /** @type {Api.ImageAnnotations} */
    const answer = await get(`/v1/runs/${runId}/images/${encodeURIComponent(imageId)}/annotations`);
    found.image = shownOf(answer);
  } catch (error) {
    if (error.status === 401) throw error;
    found.problem = error.message;
  }
  return found;
}

/** @type {(answer: Api.ImageAnnotations) => Compare.Shown} */
function shownOf({ run_id, image_id, annotations }) {
  const [height, width] = annotations[0]?.segmentation.size ?? [null, null];
  const masks = annotations.map(({ segmentation, area, bbox }) => ({
    segmentation,
    area: Math.round(area),
    bbox: /** @type {Compare.PlacedMask["bbox"]} */ (bbox),
  }));
  const note = annotations.some(({ iscrowd }) => iscrowd) ? GROUPS : undefined;
  return { note, run_id, image_id, file_name: null, outcome: "succeeded", width, height, masks, error: null };
}

/** @type {(runId: string, imageId: string) => Promise<Compare.Matched>} */
export async function matchedWithAnnotations(runId, imageId) {
  /** @type {Api.AnnotationComparison} */
  const answer = await get(`/v1/runs/${runId}/images/${encodeURIComponent(imageId)}/annotations/comparison`);
  const pairs = answer.pairs.map(({ annotation, mask, iou, changed }) => ({ a: annotation, b: mask, iou, changed }));
  return { pairs, lost: answer.lost, gained: answer.gained };
}

// Show how far the whole run agrees with the annotations; the figures by size are on the page of the job.
/** @type {(section: HTMLElement, side: Compare.Side) => void} */
export function showAgreement(section, { run, job, letter }) {
  if (!run.quality) {
    section.replaceChildren(
      notice(
        "No agreement with annotations",
        `Run ${letter} has no image with annotations. Create a dataset with an annotations file, and run it.`,
      ),
    );
    return;
  }
  section.replaceChildren(
    facts([
      ["Mean IoU", `${run.quality.miou.toFixed(3)} of the best mask of each object`],
      ["Annotated objects", count(run.quality.instances)],
      ["By size", h("a", { href: `/dashboard/jobs/${job.id}#quality` }, "AR and AP on the page of the job")],
    ]),
  );
}
