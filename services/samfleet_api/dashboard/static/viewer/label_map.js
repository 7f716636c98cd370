// The label map of a view, kept up to date by a worker. While one map is painted, later changes wait and become one
// request, so a slider never queues work.

export class LabelMap {
  /** @param {(error: Error | null) => void} changed Called when `levels` were replaced, or with the worker's failure. */
  constructor(changed) {
    this.changed = changed;
    /** @type {Viewer.Labels[]} from the full size down; empty until the first reply */
    this.levels = [];
    /** @type {Worker | null} */
    this.worker = null;
    /** @type {Api.RunLengths[]} */
    this.segmentations = [];
    /** @type {Uint8Array} */
    this.shown = new Uint8Array(0);
    /** @type {ArrayBuffer | null} */
    this.spare = null;
    this.sent = { masks: /** @type {Api.RunLengths[] | null} */ (null), version: 0 };
    this.version = 0;
    this.waiting = false;
  }

  get busy() {
    return this.version !== this.sent.version || this.waiting;
  }

  /** @type {(segmentations: Api.RunLengths[], shown: Uint8Array) => void} */
  update(segmentations, shown) {
    const same =
      segmentations.length === this.segmentations.length &&
      segmentations.every((one, index) => one === this.segmentations[index]);
    if (same && shown.every((one, index) => one === this.shown[index])) return;
    if (!same) {
      this.segmentations = segmentations;
      this.levels = []; // indexes of the old map name other masks
    }
    this.shown = shown;
    this.version++;
    if (segmentations.length) this.send();
    else this.sent.version = this.version;
  }

  send() {
    if (this.waiting || this.sent.version === this.version) return;
    this.waiting = true;
    const segmentations = this.sent.masks === this.segmentations ? null : this.segmentations;
    this.sent = { masks: this.segmentations, version: this.version };
    /** @type {Viewer.DrawRequest} */
    const request = { version: this.version, segmentations, shown: this.shown, spare: this.spare };
    performance.mark("masks-requested");
    this.started().postMessage(request, this.spare ? [this.spare] : []);
    this.spare = null;
  }

  started() {
    if (this.worker) return this.worker;
    this.worker = new Worker("/dashboard/static/viewer/worker.js", { type: "module" });
    this.worker.addEventListener("message", (event) => this.receive(event.data));
    this.worker.addEventListener("error", () => {
      this.waiting = false;
      this.changed(new Error("The masks could not be decoded. Reload the page."));
    });
    return this.worker;
  }

  /** @param {Viewer.DrawReply} reply */
  receive({ levels }) {
    this.waiting = false;
    performance.measure("masks", "masks-requested");
    if (this.sent.masks === this.segmentations) {
      this.spare = /** @type {ArrayBuffer} */ (this.levels[0]?.values.buffer ?? null);
      this.levels = levels;
    }
    this.send();
    this.changed(null);
  }

  // Return the index of the shown mask on top of an image position, given as shares of width and height; or null.
  /** @type {(x: number, y: number) => number | null} */
  at(x, y) {
    if (!this.levels.length || x < 0 || y < 0 || x >= 1 || y >= 1) return null;
    const [{ values, width, height }] = this.levels;
    const label = values[Math.floor(x * width) * height + Math.floor(y * height)];
    return label ? label - 1 : null;
  }

  close() {
    this.worker?.terminate();
    this.worker = null;
  }
}
