// The review of one image as the server has it. Changes are saved one after the other, each at once; the last steps can
// be undone.

import { get, patch } from "/dashboard/static/api.js";
import { changesBack, decisionsOf } from "/dashboard/static/review/decisions.js";

const MOST_STEPS = 100;
const PASSING = [401, 408, 429]; // a later attempt may succeed after these; no log-in, too late, too many requests

/** @type {(runId: string, imageId: number) => Promise<SavedReview>} */
export async function readReview(runId, imageId) {
  const path = `/v1/runs/${runId}/images/${imageId}/review`;
  return new SavedReview(path, await get(path));
}

class SavedReview {
  /**
   * @param {string} path
   * @param {Api.ImageReview} review
   */
  constructor(path, review) {
    this.path = path;
    this.review = review;
    this.decisions = decisionsOf(review);
    /** @type {Review.Saving} */
    this.saving = "saved";
    this.problem = "";
    /** @type {{ changes: Review.Change[], undoes: boolean }[]} */
    this.waiting = [];
    /** @type {Review.Change[][]} */
    this.steps = [];
    /** @type {(() => void)[]} */
    this.listeners = [];
  }

  /** @param {() => void} listener called after every change of the decisions or of the state of saving */
  onChange(listener) {
    this.listeners.push(listener);
  }

  get canUndo() {
    return this.steps.length > 0 && !this.waiting.length;
  }

  /** @param {Review.Change[]} changes */
  change(changes) {
    return this.enqueue({ changes, undoes: false });
  }

  undo() {
    const changes = this.steps.at(-1);
    return changes && this.canUndo ? this.enqueue({ changes, undoes: true }) : undefined;
  }

  /** Sends what failed once more. */
  retry() {
    return this.send();
  }

  /** @param {{ changes: Review.Change[], undoes: boolean }} step */
  async enqueue(step) {
    this.waiting.push(step);
    if (this.saving !== "saving") await this.send();
  }

  async send() {
    for (let step = this.waiting[0]; step; step = this.waiting[0]) {
      this.show("saving", "");
      try {
        const body = { version: this.review.version, changes: step.changes };
        this.saved(step.undoes, /** @type {Api.ImageReview} */ (await patch(this.path, body)));
      } catch (error) {
        return this.refused(error);
      }
    }
    this.show("saved", "");
  }

  /** @type {(undoes: boolean, review: Api.ImageReview) => void} */
  saved(undoes, review) {
    const before = this.decisions;
    this.waiting.shift();
    this.take(review);
    if (undoes) this.steps.pop();
    const back = undoes ? [] : changesBack(before, this.decisions);
    if (back.length) this.steps = [...this.steps, back].slice(-MOST_STEPS);
  }

  // Another reviewer's decisions are read, and the steps of this page no longer fit them. A step that the server never
  // takes is dropped with those after it. Everything else is kept.
  /** @param {{ status: number, code: string, message: string }} error */
  async refused(error) {
    const forGood = error.status >= 400 && error.status < 500 && !PASSING.includes(error.status);
    if (!forGood) return this.show("failed", error.message);
    this.waiting = [];
    if (error.code !== "review_changed") return this.show("refused", error.message);
    this.steps = [];
    try {
      this.take(await get(this.path));
      this.show(
        "conflict",
        "Another reviewer has changed this image. You see the newest state: repeat your last step.",
      );
    } catch (problem) {
      this.show("failed", problem.message);
    }
  }

  /** @param {Api.ImageReview} review */
  take(review) {
    this.review = review;
    this.decisions = decisionsOf(review);
  }

  /** @type {(saving: Review.Saving, problem: string) => void} */
  show(saving, problem) {
    this.saving = saving;
    this.problem = problem;
    for (const listener of this.listeners) listener();
  }
}
