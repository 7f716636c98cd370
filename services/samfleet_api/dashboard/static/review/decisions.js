// Decisions about the masks of an image, and the changes that bring earlier ones back. Masks without an entry are
// undecided.

/** @type {Review.Decision} */
const NONE = { state: "undecided", category: null, merged: null };

/** @type {(decisions: Review.Decisions, mask: number) => Review.Decisions extends Map<number, infer One> ? One : never} */
export const decisionOf = (decisions, mask) => decisions.get(mask) ?? NONE;

/** @type {(review: Api.ImageReview) => Review.Decisions} */
export const decisionsOf = (review) => new Map(review.masks.map((one) => [one.mask, one]));

// The masks with all masks of their objects, ascending.
/** @type {(decisions: Review.Decisions, masks: number[]) => number[]} */
export function withMerged(decisions, masks) {
  const whole = new Set(masks.flatMap((mask) => decisionOf(decisions, mask).merged ?? [mask]));
  return [...whole].sort((a, b) => a - b);
}

// The undecided masks of an image that has `count`, without those that are merged into another.
/** @type {(decisions: Review.Decisions, count: number) => number[]} */
export function undecidedOf(decisions, count) {
  const all = Array.from({ length: count }, (_, mask) => mask);
  return all.filter((mask) => decisionOf(decisions, mask).state === "undecided");
}

// The first undecided mask after `mask`, from the beginning after the last one; null if all are decided.
/** @type {(decisions: Review.Decisions, count: number, mask: number) => number | null} */
export function nextUndecided(decisions, count, mask) {
  const left = undecidedOf(decisions, count);
  return left.find((one) => one > mask) ?? left[0] ?? null;
}

/** @param {Review.Decision} decision */
const keyOf = ({ state, category, merged }) => JSON.stringify([state, category, merged]);

// The changes that lead from `after` back to `before`.
/** @type {(before: Review.Decisions, after: Review.Decisions) => Review.Change[]} */
export function changesBack(before, after) {
  const known = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b);
  const changed = known.filter((mask) => keyOf(decisionOf(before, mask)) !== keyOf(decisionOf(after, mask)));
  const isMergedAnew = (/** @type {number} */ mask) =>
    String(decisionOf(before, mask).merged) !== String(decisionOf(after, mask).merged);
  const apart = changed.filter((mask) => isMergedAnew(mask) && decisionOf(after, mask).merged);
  /** @type {Map<string, Review.Change>} */
  const groups = new Map();
  for (const mask of changed) {
    const decision = decisionOf(before, mask);
    const key = keyOf(decision);
    const group = groups.get(key) ?? { masks: [], state: decision.state, category: decision.category };
    if (decision.merged) group.merge = true;
    group.masks.push(mask);
    groups.set(key, group);
  }
  return [...(apart.length ? [{ masks: apart, merge: false }] : []), ...groups.values()];
}
