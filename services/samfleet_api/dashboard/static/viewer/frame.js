// Geometry of a view: which part of the image it shows. Pure functions.

const MAX_SCALE = 64; // CSS pixels per image pixel
const MARGIN = 0.98; // of the view, so that the edge of a fitted image is visible

/** @type {(view: Viewer.Size, image: Viewer.Size) => Viewer.Frame} */
export function fitting(view, image) {
  const scale = MARGIN * Math.min(view.width / image.width, view.height / image.height);
  return { scale: scale > 0 && Number.isFinite(scale) ? scale : 1, x: image.width / 2, y: image.height / 2 };
}

// Keep the scale between half of the fitting one and 64, and the centre of the view on the image.
/** @type {(frame: Viewer.Frame, view: Viewer.Size, image: Viewer.Size) => Viewer.Frame} */
export function bounded({ scale, x, y }, view, image) {
  const least = Math.min(fitting(view, image).scale / 2, 1);
  return {
    scale: within(scale, least, MAX_SCALE),
    x: within(x, 0, image.width),
    y: within(y, 0, image.height),
  };
}

/** @type {(value: number, least: number, most: number) => number} */
const within = (value, least, most) => Math.min(Math.max(value, least), most);

// Return whether two frames look the same in the view: less than half a CSS pixel apart everywhere.
/** @type {(a: Viewer.Frame, b: Viewer.Frame, view: Viewer.Size) => boolean} */
export function alike(a, b, view) {
  const stretched = Math.abs(a.scale / b.scale - 1) * Math.max(view.width, view.height);
  return stretched < 0.5 && Math.hypot(a.x - b.x, a.y - b.y) * b.scale < 0.5;
}

// Return the image position under a point of the view, in CSS pixels from its top left corner.
/** @type {(frame: Viewer.Frame, view: Viewer.Size, point: Viewer.Point) => Viewer.Point} */
export function imagePoint({ scale, x, y }, view, point) {
  return { x: x + (point.x - view.width / 2) / scale, y: y + (point.y - view.height / 2) / scale };
}

// Zoom by a factor; the image position under the point stays there.
/** @type {(frame: Viewer.Frame, view: Viewer.Size, image: Viewer.Size, point: Viewer.Point, factor: number) => Viewer.Frame} */
export function zoomed(frame, view, image, point, factor) {
  const fixed = imagePoint(frame, view, point);
  const { scale } = bounded({ ...frame, scale: frame.scale * factor }, view, image);
  return {
    scale,
    x: fixed.x - (point.x - view.width / 2) / scale,
    y: fixed.y - (point.y - view.height / 2) / scale,
  };
}

/** @type {(frame: Viewer.Frame, dx: number, dy: number) => Viewer.Frame} */
export const panned = (frame, dx, dy) => ({
  scale: frame.scale,
  x: frame.x - dx / frame.scale,
  y: frame.y - dy / frame.scale,
});
