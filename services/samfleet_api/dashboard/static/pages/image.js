import { addressWith, filter, get } from "/dashboard/static/api.js";
import { waterfall } from "/dashboard/static/charts/stages.js";
import { facts, h, notice, table } from "/dashboard/static/dom.js";
import { bytes, count, milliseconds } from "/dashboard/static/format.js";
import { covers, eachPixel } from "/dashboard/static/rle.js";

const SIDE = 1600;
/** @type {Record<string, string>} */
const CLOCKS = { host: "host clock", cuda_event: "CUDA events on the GPU" };
const STEP = 137.508; // golden angle in degrees: neighbours in the list get clearly different hues

/** @param {number} index */
function colourOf(index) {
  const hue = ((index * STEP) % 360) / 60,
    x = 1 - Math.abs((hue % 2) - 1);
  const sector = [
    [1, x, 0],
    [x, 1, 0],
    [0, 1, x],
    [0, x, 1],
    [x, 0, 1],
    [1, 0, x],
  ][Math.floor(hue)];
  return sector.map((part) => Math.round(60 + 195 * part));
}

// Draw the masks. The canvas has the image's resolution, and the style sheet lays it over the picture.
/** @type {(canvas: HTMLCanvasElement, masks: Api.Mask[], hidden: Set<number>, hot: number | null) => void} */
function draw(canvas, masks, hidden, hot) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = context.createImageData(canvas.width, canvas.height);
  const colours = new Uint32Array(pixels.data.buffer); // one write per pixel; ABGR on little-endian machines
  masks.forEach((mask, index) => {
    if (hidden.has(index)) return;
    const [red, green, blue] = colourOf(index);
    const alpha = index === hot ? 215 : hot === null ? 115 : 50;
    const colour = ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    eachPixel(mask.segmentation, (pixel) => {
      colours[pixel] = colour;
    });
  });
  context.putImageData(pixels, 0, 0);
}

// Largest masks first, so that small ones are drawn on top and are found first under the pointer.
/** @param {Api.Mask[]} masks */
const bySize = (masks) => [...masks].sort((a, b) => b.area - a.area);

/** @type {(image: Api.RunImage, masks: Api.Mask[]) => HTMLElement} */
function viewer(image, masks) {
  const hidden = new Set(filter("hidden").split(",").filter(Boolean).map(Number));
  /** @type {number | null} */
  let hot = null;
  const canvas = h("canvas", { width: image.width, height: image.height });
  const source = `/v1/runs/${image.run_id}/images/${image.image_id}/overlay.png?max_side=${SIDE}&with_masks=false`;
  const shown = h("img", {
    src: source,
    alt: `${image.file_name} with ${masks.length} masks`,
    width: image.width,
    height: image.height,
  });
  const rows = masks.map((mask, index) => maskRow(mask, index, hidden, redraw, heat));
  function redraw() {
    rows.forEach((row, index) => {
      /** @type {HTMLInputElement} */ (row.querySelector("input")).checked = !hidden.has(index);
    });
    draw(canvas, masks, hidden, hot);
    history.replaceState(null, "", addressWith({ hidden: [...hidden].sort((a, b) => a - b).join(",") }));
  }
  /** @param {number | null} index */
  function heat(index) {
    if (index === hot) return;
    hot = index;
    rows.forEach((row, at) => {
      row.querySelector("label")?.classList.toggle("hot", at === hot);
    });
    draw(canvas, masks, hidden, hot);
  }
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * canvas.width),
      y = Math.floor(((event.clientY - box.top) / box.height) * canvas.height);
    const found = masks.findLastIndex((mask, index) => !hidden.has(index) && covers(mask.segmentation, x, y));
    heat(found < 0 ? null : found);
  });
  canvas.addEventListener("pointerleave", () => heat(null));
  /** @param {boolean} visible */
  const all = (visible) => () => {
    hidden.clear();
    if (!visible) for (const index of masks.keys()) hidden.add(index);
    redraw();
  };
  const buttons = h(
    "div",
    { class: "filters" },
    h("button", { type: "button", onclick: all(true) }, "Show all"),
    h("button", { type: "button", onclick: all(false) }, "Hide all"),
  );
  redraw();
  return h(
    "div",
    { class: "viewer" },
    h("div", { class: "picture" }, shown, canvas),
    h(
      "section",
      { class: "card", "aria-label": "Masks" },
      h("h3", {}, `${count(masks.length)} masks`),
      buttons,
      h("ul", { class: "masks", tabindex: "0" }, rows),
    ),
  );
}

/**
 * @param {Api.Mask} mask
 * @param {number} index
 * @param {Set<number>} hidden
 * @param {() => void} redraw
 * @param {(index: number | null) => void} heat
 */
function maskRow(mask, index, hidden, redraw, heat) {
  /** @param {Dom.FieldEvent<HTMLInputElement>} event */
  const toggle = (event) => {
    if (event.target.checked) hidden.delete(index);
    else hidden.add(index);
    redraw();
  };
  const box = h("input", { type: "checkbox", onchange: toggle, onfocus: () => heat(index), onblur: () => heat(null) });
  const swatch = h("span", { class: "swatch" });
  swatch.style.background = `rgb(${colourOf(index).join(" ")})`; // set by script: the content security policy forbids a style attribute
  const quality =
    mask.predicted_iou === null || mask.predicted_iou === undefined ? "" : `, IoU ${mask.predicted_iou.toFixed(2)}`;
  const text = `${index + 1}: ${count(mask.area)} px${quality}`;
  return h(
    "li",
    {},
    h(
      "label",
      { class: "row", onpointerenter: () => heat(index), onpointerleave: () => heat(null) },
      box,
      swatch,
      text,
    ),
  );
}

/** @type {(image: Api.RunImage) => HTMLElement[]} */
function times(image) {
  /** @type {[string, number][]} */
  const parts = Object.entries(image.stages).map(([stage, time]) => [stage, time.ms]);
  if (!parts.length) return [notice("No times", "The image failed before any stage was measured.")];
  return [
    h("div", { class: "card" }, waterfall("Stages of this image in order", parts)),
    table(
      "Stages of this image",
      [
        { title: "Stage", value: ([stage]) => stage },
        { title: "This image", number: true, value: ([, time]) => milliseconds(time.ms) },
        {
          title: "Whole batch",
          number: true,
          value: ([, time]) => (time.batch_ms === null ? "–" : milliseconds(time.batch_ms)),
        },
      ],
      Object.entries(image.stages),
    ),
  ];
}

/** @type {(main: HTMLElement, runId: string, imageId: string) => Promise<void>} */
export async function show(main, runId, imageId) {
  /** @type {[Api.RunImage, Api.Run]} */
  const [image, run] = await Promise.all([get(`/v1/runs/${runId}/images/${imageId}`), get(`/v1/runs/${runId}`)]);
  document.title = `${image.file_name} · samfleet`;
  const picture = image.error
    ? h(
        "div",
        { class: "notice error" },
        h("h2", {}, `This image failed: ${image.error.code}`),
        h("p", {}, image.error.message),
      )
    : viewer(image, bySize(image.masks));
  const about = facts([
    ["Variant", run.variant],
    ["Pool", run.pool],
    ["Size", image.width && `${image.width} × ${image.height} pixels`],
    ["Batch", image.batch_size && `${image.batch_size} images${image.warmup ? ", warm-up" : ""}`],
    ["Clock", image.clock && (CLOCKS[image.clock] ?? image.clock)],
    ["Energy", image.energy_j !== null && `${image.energy_j.toFixed(2)} J`],
    [
      image.clock === "cuda_event" ? "Peak tensor memory" : "Peak process memory",
      image.peak_memory_bytes && bytes(image.peak_memory_bytes),
    ],
    ["Peak memory reserved by torch", image.peak_reserved_bytes && bytes(image.peak_reserved_bytes)],
  ]);
  main.replaceChildren(
    h("p", {}, h("a", { href: `/dashboard/jobs/${run.job_id}?run=${run.id}` }, "Back to the job")),
    h("h1", {}, image.file_name),
    about,
    h("h2", {}, "Masks"),
    picture,
    h("h2", {}, "Where the time went"),
    ...times(image),
  );
}
