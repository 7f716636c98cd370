// Paint the masks of a view at the resolution of the screen. The work depends on the pixels of the view, not on the number
// of masks or the size of the image: each pixel looks up its label, and each label its colour.

const LINE = 1.5; // CSS pixels, the width of contours
const DIMMED = 0.4; // factor of the opacity of the other masks while some are highlighted
const HIGHLIGHTED = 0.6; // least opacity of a highlighted mask
const BLOCK = 64; // columns that are sampled together; each is in another page of memory, and 64 pages stay in its cache
const WHITE = 0xffffffff;
const BLACK = 0xff000000;
const DASH = 5; // pixels

// Pixels of the screen and around it, so that contours need no check for its edges.
/** @type {(width: number, height: number, ratio: number) => Viewer.Screen} */
export function screenOf(width, height, ratio) {
  const line = Math.max(1, Math.round(LINE * ratio));
  return { width, height, ratio, line, stride: width + 2 * line, rows: height + 2 * line };
}

// Return the image position, as a share of the image, of every column (or row) of the screen and its edges.
/** @type {(count: number, line: number, size: number, centre: number, scale: number, length: number) => Float64Array} */
function positions(count, line, size, centre, scale, length) {
  const shares = new Float64Array(count);
  for (let at = 0; at < count; at++) shares[at] = ((at - line + 0.5 - size / 2) / scale + centre) / length;
  return shares;
}

/** @type {(screen: Viewer.Screen, frame: Viewer.Frame, image: Viewer.Size) => Viewer.Grid} */
export function gridOf(screen, frame, image) {
  const scale = frame.scale * screen.ratio;
  return {
    columns: positions(screen.stride, screen.line, screen.width, frame.x, scale, image.width),
    rows: positions(screen.rows, screen.line, screen.height, frame.y, scale, image.height),
  };
}

// Indexes of a map's rows or columns under those of the screen; -1 outside the image.
/** @type {(shares: Float64Array, length: number) => Int32Array} */
function indexesOf(shares, length) {
  const indexes = new Int32Array(shares.length);
  shares.forEach((share, at) => {
    indexes[at] = share < 0 || share >= 1 ? -1 : Math.floor(share * length);
  });
  return indexes;
}

// Return the smallest level whose pixels are not larger than those of the screen.
/** @type {(levels: Viewer.Labels[], grid: Viewer.Grid) => Viewer.Labels} */
function levelFor(levels, { columns }) {
  const across = 1 / (columns[1] - columns[0]); // screen pixels across the image
  return levels.findLast((level) => level.width >= across) ?? levels[0];
}

/** @type {(pixels: Viewer.Pixels, grid: Viewer.Grid, levels: Viewer.Labels[]) => void} */
export function sample(pixels, grid, levels) {
  const { values, width, height } = levelFor(levels, grid);
  const columns = indexesOf(grid.columns, width),
    rows = indexesOf(grid.rows, height);
  let first = 0,
    last = columns.length;
  while (first < last && columns[first] < 0) first++;
  while (last > first && columns[last - 1] < 0) last--;
  const starts = columns.map((column) => column * height);
  pixels.fill(0);
  for (let left = first; left < last; left += BLOCK) {
    const right = Math.min(left + BLOCK, last);
    for (let y = 0; y < rows.length; y++) {
      const row = rows[y],
        to = y * columns.length;
      if (row >= 0) for (let x = left; x < right; x++) pixels[to + x] = values[starts[x] + row];
    }
  }
}

// Paint one mask over what the pixels hold, by binary search in its spans.
/** @type {(pixels: Viewer.Pixels, grid: Viewer.Grid, spans: Viewer.Spans, label: number) => void} */
export function paintOver(pixels, { columns, rows }, { bounds, width, height }, label) {
  if (!bounds.length) return;
  const stride = columns.length;
  const least = Math.floor(bounds[0] / height),
    most = Math.floor((bounds[bounds.length - 1] - 1) / height);
  const step = rows[1] - rows[0];
  for (let x = 0; x < stride; x++) {
    const column = Math.floor(columns[x] * width);
    if (column < least || column > most) continue;
    const top = column * height;
    for (let at = firstAfter(bounds, top); at < bounds.length && bounds[at] < top + height; at += 2) {
      const from = Math.max(bounds[at] - top, 0) / height,
        until = Math.min(bounds[at + 1] - top, height) / height;
      const start = Math.max(Math.ceil((from - rows[0]) / step), 0),
        stop = Math.min(Math.ceil((until - rows[0]) / step), rows.length);
      for (let y = start; y < stop; y++) pixels[y * stride + x] = label;
    }
  }
}

// Return the index of the first span that ends after a position.
/** @type {(bounds: Uint32Array, position: number) => number} */
function firstAfter(bounds, position) {
  let low = 0,
    high = bounds.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bounds[2 * middle + 1] > position) high = middle;
    else low = middle + 1;
  }
  return 2 * low;
}

/** @type {(colour: Viewer.Colour, opacity: number) => number} */
const packed = ([red, green, blue], opacity) =>
  ((Math.round(255 * opacity) << 24) | (blue << 16) | (green << 8) | red) >>> 0; // little-endian

// Colours of labels: masks, then the same masks highlighted.
/** @type {(masks: Viewer.ViewMask[], style: Viewer.Style, dimmed: boolean) => Viewer.Palette} */
export function paletteOf(masks, { drawn, opacity }, dimmed) {
  const fill = new Uint32Array(2 * masks.length + 1),
    line = new Uint32Array(2 * masks.length + 1);
  const factor = dimmed ? DIMMED : 1;
  const filled = drawn === "contours" ? 0 : opacity;
  masks.forEach(({ colour }, index) => {
    const label = index + 1,
      above = masks.length + label;
    fill[label] = packed(colour, filled * factor);
    line[label] = drawn === "fill" ? fill[label] : packed(colour, factor);
    fill[above] = packed(colour, drawn === "contours" ? opacity / 2 : Math.max(opacity, HIGHLIGHTED));
    line[above] = WHITE;
  });
  return { fill, line };
}

/** @type {(out: Uint32Array, pixels: Viewer.Pixels, screen: Viewer.Screen, palette: Viewer.Palette) => void} */
export function colour(out, pixels, { width, height, line: edge, stride }, { fill, line }) {
  for (let y = 0; y < height; y++) {
    let at = (y + edge) * stride + edge,
      to = y * width;
    for (const end = to + width; to < end; to++, at++) {
      const label = pixels[at];
      if (label === 0) out[to] = 0;
      else out[to] = isEdge(pixels, at, label, edge, stride) ? line[label] : fill[label];
    }
  }
}

/** @type {(pixels: Viewer.Pixels, at: number, label: number, edge: number, stride: number) => boolean} */
const isEdge = (pixels, at, label, edge, stride) =>
  pixels[at - edge] !== label ||
  pixels[at + edge] !== label ||
  pixels[at - edge * stride] !== label ||
  pixels[at + edge * stride] !== label;

// Draw contours only, over what is drawn already: a line inside each outline, black beside it, dashed if it says so.
/** @type {(out: Uint32Array, pixels: Viewer.Pixels, screen: Viewer.Screen, outlines: Viewer.Outline[]) => void} */
export function contour(out, pixels, { width, height, line: edge, stride }, outlines) {
  const colours = outlines.map((outline) => packed(outline.colour, 1));
  for (let y = 0; y < height; y++) {
    let at = (y + edge) * stride + edge;
    for (let x = 0; x < width; x++, at++) {
      const label = pixels[at];
      if (label === 0) {
        if (isEdge(pixels, at, 0, edge, stride)) out[y * width + x] = BLACK;
      } else if (isEdge(pixels, at, label, edge, stride)) {
        const gap = outlines[label - 1].dashed && Math.floor((x + y) / DASH) % 2;
        out[y * width + x] = gap ? BLACK : colours[label - 1];
      }
    }
  }
}
