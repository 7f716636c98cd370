// Zoom and pan of a view by wheel, drag, pinch, double click and keys. Each changes the view's frame.

import { panned, zoomed } from "/dashboard/static/viewer/frame.js";

const STEP = 1.25; // factor of a key
const WHEEL = 0.0015; // logarithm of the factor per pixel of the wheel
const PINCH = 0.01; // the same for a trackpad's pinch, which browsers report as a wheel with Ctrl
const LINE_PIXELS = 16; // of a wheel that counts lines
const DRAG = 4; // CSS pixels that the pointer moves before it is a drag
const PAN_SHARE = 1 / 8; // of the view, per key

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** @type {Record<string, number>} */
const ZOOMS = { "+": STEP, "=": STEP, "-": 1 / STEP, _: 1 / STEP };

/** @type {(event: KeyboardEvent, target: Viewer.Target) => boolean} */
export function pressKey(event, target) {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const { width, height } = target.size();
  if (event.key === "0") target.fit();
  else if (ZOOMS[event.key]) target.zoom({ x: width / 2, y: height / 2 }, ZOOMS[event.key]);
  else if (event.shiftKey && ARROWS[event.key]) {
    const [x, y] = ARROWS[event.key];
    target.move(panned(target.frame(), x * width * PAN_SHARE, y * height * PAN_SHARE));
  } else return false;
  event.preventDefault();
  return true;
}

// Attach the listeners to the element that receives pointers.
/** @type {(element: HTMLElement, target: Viewer.Target) => void} */
export function addGestures(element, target) {
  const touch = new Pointers(target);
  /** @param {MouseEvent} event */
  const place = (event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  element.addEventListener("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode ? LINE_PIXELS : 1);
    target.zoom(place(event), Math.exp(-pixels * (event.ctrlKey ? PINCH : WHEEL)));
  });
  element.addEventListener("dblclick", (event) => target.zoom(place(event), event.shiftKey ? 0.5 : 2));
  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    element.setPointerCapture(event.pointerId);
    touch.down(event.pointerId, place(event));
  });
  element.addEventListener("pointermove", (event) => {
    if (!touch.move(event.pointerId, place(event))) target.hover(place(event));
  });
  element.addEventListener("pointerup", (event) => {
    if (touch.up(event.pointerId)) target.click(place(event), event);
  });
  element.addEventListener("pointercancel", (event) => touch.up(event.pointerId));
  element.addEventListener("pointerleave", () => target.hover(null));
}

// The pointers that are down: one drags, two pinch.
class Pointers {
  /** @param {Viewer.Target} target */
  constructor(target) {
    this.target = target;
    /** @type {Map<number, Viewer.Point>} */
    this.at = new Map();
    this.moved = false;
    /** @type {Viewer.Point | null} */
    this.start = null;
  }

  /** @type {(id: number, point: Viewer.Point) => void} */
  down(id, point) {
    if (!this.at.size) {
      this.moved = false;
      this.start = point;
    }
    this.at.set(id, point);
    if (this.at.size > 1) this.moved = true;
  }

  // Return whether the pointer is down, so it does not hover.
  /** @type {(id: number, point: Viewer.Point) => boolean} */
  move(id, point) {
    const before = this.at.get(id);
    if (!before || !this.start) return false;
    if (!this.moved && distance(point, this.start) < DRAG) return true;
    this.moved = true;
    const other = [...this.at].find(([one]) => one !== id)?.[1];
    if (other) this.pinch(before, point, other);
    else this.target.move(panned(this.target.frame(), point.x - before.x, point.y - before.y));
    this.at.set(id, point);
    return true;
  }

  /** @type {(before: Viewer.Point, point: Viewer.Point, other: Viewer.Point) => void} */
  pinch(before, point, other) {
    const was = middle(before, other),
      is = middle(point, other);
    const frame = panned(this.target.frame(), is.x - was.x, is.y - was.y);
    const apart = distance(before, other);
    const factor = apart ? distance(point, other) / apart : 1;
    this.target.move(zoomed(frame, this.target.size(), this.target.image(), is, factor));
  }

  // Return whether it was a click.
  /** @param {number} id */
  up(id) {
    const down = this.at.delete(id);
    return down && !this.moved;
  }
}

/** @type {(a: Viewer.Point, b: Viewer.Point) => number} */
const distance = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);

/** @type {(a: Viewer.Point, b: Viewer.Point) => Viewer.Point} */
const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
