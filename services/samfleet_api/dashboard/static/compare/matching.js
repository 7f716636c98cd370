// Pure functions: from the API's matches of run A with each other run to the list of objects and the kinds of masks.

import { KINDS } from "/dashboard/static/compare/kinds.js";

/** @type {(image: Compare.Shown | null, matched: Compare.Matched | null) => (Compare.Kind | null)[]} */
export function kindsInOther(image, matched) {
  /** @type {(Compare.Kind | null)[]} */
  const kinds = (image?.masks ?? []).map(() => null);
  for (const place of matched?.gained ?? []) kinds[place] = "gained";
  for (const pair of matched?.pairs ?? []) kinds[pair.b] = pair.changed ? "changed" : "same";
  return kinds;
}

/** @type {(image: Compare.Shown | null, matched: Compare.Matched | null) => (Compare.Kind | null)[]} */
export function kindsInReference(image, matched) {
  /** @type {(Compare.Kind | null)[]} */
  const kinds = (image?.masks ?? []).map(() => null);
  for (const place of matched?.lost ?? []) kinds[place] = "lost";
  for (const pair of matched?.pairs ?? []) kinds[pair.a] = pair.changed ? "changed" : "same";
  return kinds;
}

// Objects of run A and of the run `against`, those without a partner first, then pairs by rising IoU.
/** @type {(images: Compare.SideImage[], against: number) => Compare.Match[]} */
export function matchesOf(images, against) {
  const matched = images[against].matched;
  if (!matched) return [];
  /** @type {Map<number, number>[]} */
  const partners = images.map(({ matched: one }) => new Map((one?.pairs ?? []).map((pair) => [pair.a, pair.b])));
  /** @type {(place: number) => (number | null)[]} */
  const ofReference = (place) => images.map((_, side) => (side ? (partners[side].get(place) ?? null) : place));
  /** @type {(place: number) => (number | null)[]} */
  const ofOther = (place) => images.map((_, side) => (side === against ? place : null));
  /** @type {(side: number, place: number) => number} */
  const area = (side, place) => images[side].image?.masks[place]?.area ?? 0;
  /** @type {Compare.Match[]} */
  const found = [
    ...matched.lost.map((a) => ({ kind: KINDS[0], iou: null, area: area(0, a), places: ofReference(a) })),
    ...matched.gained.map((b) => ({ kind: KINDS[1], iou: null, area: area(against, b), places: ofOther(b) })),
    ...matched.pairs.map(({ a, iou, changed }) => ({
      kind: changed ? KINDS[2] : KINDS[3],
      iou,
      area: area(0, a),
      places: ofReference(a),
    })),
  ];
  return found.sort((one, other) => (one.iou ?? -1) - (other.iou ?? -1) || other.area - one.area);
}

// The smallest box around the masks of an object: left, top, right and bottom.
/** @type {(picture: Compare.Picture, match: Compare.Match) => [number, number, number, number]} */
export function boxOf({ images }, match) {
  const boxes = match.places.flatMap((place, side) => {
    const masks = /** @type {Compare.PlacedMask[]} */ (images[side].image?.masks ?? []);
    return place === null || !masks[place] ? [] : [masks[place].bbox];
  });
  return [
    Math.min(...boxes.map(([x]) => x)),
    Math.min(...boxes.map(([, y]) => y)),
    Math.max(...boxes.map(([x, , width]) => x + width)),
    Math.max(...boxes.map(([, y, , height]) => y + height)),
  ];
}
