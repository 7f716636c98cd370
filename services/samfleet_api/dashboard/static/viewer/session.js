// State that the parts of the page share: choices, rows, what is hovered and pinned. Every change goes through here, so
// that the picture, the list and the address stay the same.

import { writeChoices } from "/dashboard/static/viewer/address.js";
import { marks } from "/dashboard/static/viewer/marks.js";
import { filtered, sorted } from "/dashboard/static/viewer/masks.js";

/** @implements {Viewer.PageSession} */
export class ViewerSession {
  /**
   * @param {Api.Run} run
   * @param {Api.RunImage} image
   * @param {Viewer.View} view
   * @param {Viewer.MaskRow[]} rows
   * @param {Viewer.Choices} choices
   */
  constructor(run, image, view, rows, choices) {
    this.run = run;
    this.image = image;
    this.view = view;
    this.rows = rows;
    this.choices = choices;
    choices.pins = choices.pins.filter((index) => index < rows.length);
    /** @type {Api.ImageAnnotations | null} */
    this.annotations = null;
    /** @type {number[]} */
    this.hovered = [];
    /** @type {(() => void)[]} */
    this.onRefresh = [];
    /** @type {((hovered: number[]) => void)[]} */
    this.onHover = [];
    /** @type {((pins: number[]) => void)[]} */
    this.onPins = [];
    choices.frame = view.fitted() ? null : view.frame(); // the user may have zoomed before the masks came
    view.onHover((index) => this.hover(index === null ? [] : [index]));
    view.onClick((index) => index !== null && this.pin(index));
    view.onFrame((frame) => {
      choices.frame = view.fitted() ? null : frame;
      writeChoices(choices);
    });
  }

  listed() {
    return sorted(filtered(this.rows, this.choices.filters), this.choices.sort);
  }

  refresh() {
    const { choices, view } = this;
    const shown = new Set(filtered(this.rows, choices.filters).map((row) => row.index));
    const none = choices.truth === "instead";
    view.setStyle(choices.style);
    view.setMasks(
      this.rows.map(({ segmentation, colour, index }) => ({
        segmentation,
        colour: marks.get(index)?.colour ?? colour,
        shown: !none && shown.has(index) && !choices.hidden.has(index),
      })),
    );
    for (const listener of this.onRefresh) listener();
    this.emphasise();
    writeChoices(choices);
  }

  // Highlight what is hovered and pinned.
  emphasise() {
    const { pins, hidden } = this.choices;
    this.view.highlight([...pins, ...this.hovered].filter((index) => !hidden.has(index)));
  }

  /** @param {number[]} indexes */
  hover(indexes) {
    if (String(indexes) === String(this.hovered)) return;
    this.hovered = indexes;
    this.emphasise();
    for (const listener of this.onHover) listener(indexes);
  }

  /** @param {number} index */
  pin(index) {
    const { pins } = this.choices;
    this.setPins(pins.includes(index) ? pins.filter((one) => one !== index) : [...pins, index]);
  }

  /** @param {number[]} indexes */
  setPins(indexes) {
    this.choices.pins = [...new Set(indexes)].filter((index) => index in this.rows).sort((a, b) => a - b);
    this.emphasise();
    for (const listener of this.onPins) listener(this.choices.pins);
    writeChoices(this.choices);
  }

  /** @param {number} index */
  toggleHidden(index) {
    const { hidden } = this.choices;
    if (!hidden.delete(index)) hidden.add(index);
    this.refresh();
  }

  // Zoom so that a box, in image pixels, fills about half of the view.
  /** @param {number[]} box */
  zoomTo([x, y, width, height]) {
    const { clientWidth, clientHeight } = this.view.element;
    const scale = 0.5 * Math.min(clientWidth / Math.max(width, 1), clientHeight / Math.max(height, 1));
    this.view.setFrame({ scale: Math.min(scale, 16), x: x + width / 2, y: y + height / 2 });
  }

  /** @returns {Viewer.Selection} */
  get selection() {
    return {
      get: () => [...this.choices.pins],
      set: (indexes) => this.setPins(indexes),
      onChange: (listener) => this.onPins.push(listener),
    };
  }
}
