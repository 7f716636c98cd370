// One image on all sides: the views side by side, and the list of its masks.

import { get } from "/dashboard/static/api.js";
import { annotationsOf, matchedWithAnnotations } from "/dashboard/static/compare/annotations.js";
import { MatchList } from "/dashboard/static/compare/list.js";
import { kindsInOther, kindsInReference, matchesOf } from "/dashboard/static/compare/matching.js";
import { drawingTools, hiddenKinds, kindBoxes, steps } from "/dashboard/static/compare/tools.js";
import { LinkedViews } from "/dashboard/static/compare/views.js";
import { h, notice } from "/dashboard/static/dom.js";

/** @type {Viewer.Style} kept from image to image */
const style = { drawn: "both", opacity: 0.4 };

/** @type {(sides: Compare.Side[], against: number, imageId: string) => Promise<Compare.Picture>} */
export async function pictureOf(sides, against, imageId) {
  const images = await Promise.all(
    sides.map((side) =>
      side.annotations ? annotationsOf(side, sides[against].run.id, imageId) : imageIn(sides[0], side, imageId),
    ),
  );
  images[0].kinds = kindsInReference(images[0].image, images[against].matched);
  const sized = images.find(({ image }) => image?.width)?.image;
  return {
    name: images.find(({ image }) => image?.file_name)?.image?.file_name ?? `Image ${imageId}`,
    width: sized?.width ?? 1,
    height: sized?.height ?? 1,
    images,
    against,
    matches: matchesOf(images, against),
  };
}

/** @type {(reference: Compare.Side, side: Compare.Side, imageId: string) => Promise<Compare.SideImage>} */
async function imageIn(reference, side, imageId) {
  const id = encodeURIComponent(imageId);
  /** @type {Compare.SideImage} */
  const found = { side, image: null, problem: null, kinds: [], matched: null };
  try {
    found.image = await get(`/v1/runs/${side.run.id}/images/${id}`);
    if (found.image?.error) found.problem = `The image failed in this run: ${found.image.error.message}`;
    else if (reference.annotations) found.matched = await matchedWithAnnotations(side.run.id, imageId);
    else if (side !== reference) {
      found.matched = await get(`/v1/runs/${reference.run.id}/images/${id}/comparison?with=${side.run.id}`);
    }
  } catch (error) {
    if (error.status === 401) throw error;
    found.problem = error.message;
  }
  found.kinds = kindsInOther(found.image, found.matched);
  return found;
}

// Fill the section with the image. Returns a function that stops its views.
/** @type {(section: HTMLElement, picture: Compare.Picture, step: (by: number) => void) => () => void} */
export function showImage(section, picture, step) {
  /** @type {Compare.Selection} */
  const selection = { hidden: hiddenKinds(), hovered: null, pinned: null };
  const on = {
    /** @param {number | null} match */
    hover(match) {
      if (selection.hovered === match) return;
      selection.hovered = match;
      views.highlight();
      list.draw();
    },
    /** @param {number | null} match */
    pin(match) {
      selection.pinned = match;
      views.highlight();
      if (match !== null) views.zoomTo(picture.matches[match]);
      list.reveal();
      list.draw();
    },
  };
  const views = new LinkedViews(picture, selection, on);
  const list = new MatchList(picture, selection, on);
  views.setStyle(style);
  const boxes = kindBoxes(picture, selection, () => {
    views.update();
    list.update();
  });
  const tools = drawingTools(
    style,
    () => views.setStyle(style),
    () => views.fit(),
  );
  const objects = picture.matches.length ? [boxes, list.element] : [nothing(picture)];
  const head = h("div", { class: "head" }, h("h2", {}, picture.name), steps(step));
  const body = h("div", { class: "compare-body" }, views.element, h("div", { class: "card" }, objects));
  section.replaceChildren(head, tools, body);
  return () => views.close();
}

/** @param {Compare.Picture} picture */
function nothing({ images, against }) {
  const other = images[against];
  if (!other.matched) return notice("No masks to match", other.problem ?? images[0].problem ?? "");
  return notice("No masks", `Neither ${images[0].side.annotations ? "side" : "run"} has a mask in this image.`);
}
