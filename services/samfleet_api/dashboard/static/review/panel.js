// The panel that reviews the masks of an image: decisions about the pinned masks by buttons and keys, saved at once.

import { get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { decisionOf, nextUndecided, undecidedOf, withMerged } from "/dashboard/static/review/decisions.js";
import { keyList, listenToKeys } from "/dashboard/static/review/keys.js";
import { readReview } from "/dashboard/static/review/saving.js";
import { marks } from "/dashboard/static/viewer/marks.js";

const SAVING = {
  saved: "Saved",
  saving: "Saving…",
  failed: "Not saved",
  refused: "Not saved",
  conflict: "Changed by another reviewer",
};
/** @type {Record<"accepted" | "rejected" | "deleted", Pick<Viewer.Mark, "tone" | "colour">>} */
const LOOKS = {
  accepted: { tone: "good", colour: [46, 190, 90] },
  rejected: { tone: "wait", colour: [245, 165, 30] },
  deleted: { tone: "soft", colour: [130, 130, 130] },
};
const SHOWN_AT_ONCE = 12; // numbers of pinned masks

/** @type {Viewer.PanelFactory} */
export function reviewPanel(context) {
  if (context.image.error) return null;
  const panel = h("section", { class: "card review", "aria-label": "Review" }, h("p", { class: "soft" }, "Loading…"));
  load(panel, context);
  return panel;
}

/** @type {(panel: HTMLElement, context: Viewer.Context) => Promise<void>} */
async function load(panel, context) {
  const { run, image } = context;
  try {
    /** @type {[Awaited<ReturnType<typeof readReview>>, Api.RunReviewProgress]} */
    const [review, progress] = await Promise.all([
      readReview(run.id, image.image_id),
      get(`/v1/runs/${run.id}/review`),
    ]);
    new ReviewPanel(panel, context, review, progress);
  } catch (error) {
    const again = h("button", { type: "button", onclick: () => load(panel, context) }, "Try again");
    panel.replaceChildren(h("h2", {}, "Review"), h("p", { class: "bad", role: "alert" }, error.message), again);
  }
}

/** @param {string} key */
const keyHint = (key) => h("kbd", { "aria-hidden": "true" }, key);

class ReviewPanel {
  /**
   * @param {HTMLElement} panel
   * @param {Viewer.Context} context
   * @param {Awaited<ReturnType<typeof readReview>>} review
   * @param {Api.RunReviewProgress} progress
   */
  constructor(panel, context, review, progress) {
    this.context = context;
    /** @type {Review.Decisions | null} whose marks are shown */
    this.shown = null;
    this.review = review;
    this.total = progress.images.total;
    this.elsewhere = progress.images.reviewed - Number(review.review.reviewed);
    this.categories = new Set(progress.categories);
    this.actions = this.actionsOf();
    this.state = h("span", { class: "soft", role: "status" });
    this.bar = h("progress", { max: Math.max(1, context.masks.length), "aria-label": "Decided masks" });
    this.decided = h("p", { class: "soft" });
    this.selected = h("p", { "aria-live": "polite" });
    this.problem = h("div", { role: "alert" });
    this.category = h("input", { list: "review-categories", maxlength: "100", autocomplete: "off" });
    this.names = h("datalist", { id: "review-categories" });
    this.buttons = this.actions.filter(({ text }) => text).map((action) => ({ action, button: this.buttonOf(action) }));
    panel.replaceChildren(...this.parts());
    review.onChange(() => this.show());
    context.selection.onChange(() => this.showSelection());
    listenToKeys(panel, this.actions);
    addEventListener("beforeunload", (event) => {
      if (review.saving === "saving" || review.saving === "failed") event.preventDefault();
    });
    this.show();
  }

  parts() {
    const set = (/** @type {Event} */ event) => {
      event.preventDefault();
      this.setCategory();
    };
    return [
      h("div", { class: "head" }, h("h2", {}, "Review"), this.state),
      this.bar,
      this.decided,
      this.selected,
      h(
        "div",
        { class: "buttons" },
        this.buttons.map(({ button }) => button),
      ),
      h(
        "form",
        { onsubmit: set },
        h("label", {}, h("span", {}, "Category", keyHint("c")), this.category, this.names),
        h("button", { type: "submit" }, "Set"),
      ),
      this.problem,
      keyList(this.actions),
    ];
  }

  /** @returns {Review.Action[]} */
  actionsOf() {
    const rest = () => this.decideAbout(undecidedOf(this.review.decisions, this.context.masks.length), "accepted");
    const none = this.context.masks.length === 0;
    return [
      { key: "a", text: "Accept", help: "accept the pinned masks", main: true, act: () => this.decide("accepted") },
      { key: "r", text: "Reject", help: "reject them: they need a correction", act: () => this.decide("rejected") },
      { key: "d", text: "Delete", help: "delete them: they show no object", act: () => this.decide("deleted") },
      {
        key: "m",
        text: "Merge",
        help: "merge the pinned masks, or take a merged one apart",
        act: () => this.merge(),
      },
      { key: "c", help: "set their category", act: () => this.category.focus() },
      { key: "u", text: "Undo", help: "undo the last step", act: () => this.review.undo() },
      {
        key: "A",
        text: none ? "Confirm: no masks" : "Accept the rest",
        help: none ? "confirm that there is nothing" : "accept all undecided masks",
        act: rest,
      },
      { key: "n", text: "Next image", help: "go to the next image that is not reviewed", act: () => this.goToNext() },
      { key: "?", help: "show these keys", act: () => this.toggleKeys() },
    ];
  }

  /** @param {Review.Action} action */
  buttonOf({ key, text, main, act }) {
    const attributes = { type: "button", class: main ? "main" : null, "aria-keyshortcuts": key, onclick: act };
    return h("button", attributes, text, keyHint(key));
  }

  get chosen() {
    return withMerged(this.review.decisions, this.context.selection.get());
  }

  // Decide about the pinned masks and pin the next undecided one instead. Without a pinned mask, only pin that.
  /** @param {Api.MaskState} state */
  decide(state) {
    const masks = this.chosen;
    if (masks.length) return this.decideAbout(masks, state);
    this.selectNext(-1);
  }

  /** @type {(masks: number[], state: Api.MaskState) => Promise<void>} */
  async decideAbout(masks, state) {
    await this.review.change(masks.length ? [{ masks, state }] : []);
    if (this.review.saving === "saved") this.selectNext(masks[0] ?? -1);
  }

  /** @param {number} after */
  selectNext(after) {
    const next = nextUndecided(this.review.decisions, this.context.masks.length, after);
    this.context.selection.set(next === null ? [] : [next]);
  }

  merge() {
    const masks = this.chosen;
    const merged = masks.length > 1 && String(decisionOf(this.review.decisions, masks[0]).merged) === String(masks);
    if (merged) this.review.change([{ masks, merge: false }]);
    else if (masks.length > 1) this.review.change([{ masks, merge: true }]);
    else this.say("Pin at least two masks to merge them: click each one.");
  }

  setCategory() {
    const category = this.category.value.trim() || null;
    const masks = this.chosen;
    if (!masks.length) return this.say("Pin a mask first: click it.");
    if (category) this.categories.add(category);
    this.category.blur();
    this.review.change([{ masks, category }]);
  }

  async goToNext() {
    const { run, image } = this.context;
    try {
      /** @type {Api.ImageToReview} */
      const { image_id: next } = await get(`/v1/runs/${run.id}/review/next?after=${image.image_id}`);
      if (next === null) this.say("Every image of this run is reviewed.");
      else if (next === image.image_id) this.say("This is the last image that is not reviewed.");
      else location.assign(`/dashboard/runs/${run.id}/images/${next}`);
    } catch (error) {
      this.say(error.message);
    }
  }

  toggleKeys() {
    const keys = /** @type {HTMLDetailsElement} */ (this.problem.nextElementSibling);
    keys.open = !keys.open;
  }

  /** @param {string} text */
  say(text) {
    this.problem.replaceChildren(text && h("p", {}, text));
  }

  show() {
    const { saving, problem, review } = this.review;
    this.state.textContent = saving === "saved" && !review.version ? "Not reviewed" : SAVING[saving];
    this.state.classList.toggle("bad", ["failed", "refused", "conflict"].includes(saving));
    this.say(problem);
    if (saving === "failed") {
      this.problem.append(h("button", { type: "button", onclick: () => this.review.retry() }, "Save again"));
    }
    this.showCounts();
    if (this.shown !== this.review.decisions) this.showMarks();
    this.names.replaceChildren(...[...this.categories].map((name) => h("option", { value: name })));
    this.showSelection();
  }

  // Show the decisions in the list and the picture.
  showMarks() {
    this.shown = this.review.decisions;
    marks.clear();
    for (const [mask, { state, category }] of this.shown) {
      if (state !== "undecided") marks.set(mask, { text: state, category, ...LOOKS[state] });
      else if (category) marks.set(mask, { text: "", category, tone: null, colour: null });
    }
    this.context.refresh();
  }

  showCounts() {
    const { counts, reviewed } = this.review.review;
    const states = /** @type {const} */ (["accepted", "rejected", "deleted", "undecided"]);
    const words = states.filter((state) => counts[state]).map((state) => `${count(counts[state])} ${state}`);
    this.bar.value = counts.total ? counts.total - counts.undecided : Number(reviewed);
    const images = `${count(this.elsewhere + Number(reviewed))} of ${count(this.total)} images reviewed`;
    this.decided.textContent = `${words.join(", ") || "no masks"} · ${images}`;
  }

  showSelection() {
    const { decisions, canUndo, review } = this.review;
    const masks = this.chosen;
    const decision = masks.length ? decisionOf(decisions, masks[0]) : null;
    this.selected.replaceChildren(...selectionInWords(masks, decision));
    if (document.activeElement !== this.category) this.category.value = decision?.category ?? "";
    for (const { action, button } of this.buttons) {
      if (action.key === "u") button.disabled = !canUndo;
      if (action.key === "A") button.disabled = review.reviewed;
      if (action.key === "m") {
        const apart = decision?.merged && masks.length === decision.merged.length;
        /** @type {Text} */ (button.firstChild).data = apart ? "Take apart" : "Merge";
      }
    }
  }
}

/** @type {(masks: number[], decision: ReturnType<typeof decisionOf> | null) => (Node | string)[]} */
function selectionInWords(masks, decision) {
  if (!decision) return ["No mask is pinned: click one, or press a for the next undecided one."];
  const numbers = masks.slice(0, SHOWN_AT_ONCE).map((mask) => count(mask + 1));
  const more = masks.length > SHOWN_AT_ONCE ? ` and ${count(masks.length - SHOWN_AT_ONCE)} more` : "";
  const state = h("span", { class: `review-state ${decision.state}` }, decision.state);
  const who = decision.key && decision.state !== "undecided" ? ` by ${decision.key}` : "";
  const merged = decision.merged ? ", merged" : "";
  const category = decision.category ? `, ${decision.category}` : "";
  return [`Mask ${numbers.join(", ")}${more}: `, state, `${category}${merged}${who}`];
}
