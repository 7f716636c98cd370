import { addressWith, filter, get, hasEnded } from "/dashboard/static/api.js";
import { h, notice } from "/dashboard/static/dom.js";
import { count, milliseconds } from "/dashboard/static/format.js";
import { runName } from "/dashboard/static/job/runs.js";

const PICTURES = 24;
/** @param {Api.Run} run */
const notDone = (run) => (hasEnded(run) ? "not segmented" : "not segmented yet");
/** @type {(run: Api.Run) => [string, string][]} */
const outcomes = (run) => [
  ["", "all"],
  ["succeeded", "segmented"],
  ["failed", "failed"],
  ["pending", notDone(run)],
];

/** @type {(run: Api.Run, image: Api.ImageOfRun) => HTMLElement} */
function preview(run, image) {
  if (image.outcome === "failed")
    return h("div", { class: "missing bad" }, h("strong", {}, "failed"), h("code", {}, image.error_code));
  if (image.outcome === "pending") return h("div", { class: "missing" }, notDone(run));
  /** @type {HTMLImageElement} */
  const shown = h("img", {
    src: `/v1/runs/${run.id}/images/${image.image_id}/overlay.png?max_side=320`,
    alt: "",
    loading: "lazy",
    onerror: () => shown.replaceWith(h("div", { class: "missing" }, "the image could not be loaded")),
  });
  return shown;
}

/** @type {(run: Api.Run, image: Api.ImageOfRun) => HTMLElement} */
function tile(run, image) {
  const figures =
    image.outcome === "succeeded"
      ? `${image.mask_count === 1 ? "1 mask" : `${count(image.mask_count ?? 0)} masks`} · ${milliseconds(image.image_ms ?? 0)}`
      : "";
  const inner = [
    preview(run, image),
    h("span", {}, image.file_name),
    h("span", { class: "soft" }, figures || "\u00a0"),
  ];
  const whole =
    image.outcome === "pending"
      ? h("div", {}, inner)
      : h("a", { href: `/dashboard/runs/${run.id}/images/${image.image_id}` }, inner);
  return h("li", { "data-outcome": image.outcome }, whole);
}

/** @type {(run: Api.Run, cursor: string, limit: number) => Promise<Api.ImageOfRunPage>} */
const pageAt = (run, cursor, limit) => {
  const query = new URLSearchParams({ limit: String(limit) });
  for (const name of ["outcome", "file_name"]) if (filter(name)) query.set(name, filter(name));
  if (cursor) query.set("cursor", cursor);
  return get(`/v1/runs/${run.id}/images?${query}`);
};

// List the images of a page. A search by name reads a part of the run in each request, which may have few of them.
/** @type {(run: Api.Run, searching?: () => void) => Promise<Api.ImageOfRunPage>} */
async function listed(run, searching = () => {}) {
  let page = await pageAt(run, filter("cursor"), PICTURES);
  const items = page.items;
  while (page.next && items.length < PICTURES) {
    searching();
    page = await pageAt(run, page.next, PICTURES - items.length);
    items.push(...page.items);
  }
  return { items, next: page.next };
}

// Show the gallery. Returns a function that replaces the tiles of images that were pending and now have a result.
/** @type {(section: HTMLElement, job: Api.Job) => Promise<() => Promise<void>>} */
export async function showGallery(section, job) {
  const run = job.runs.find((one) => one.id === filter("run")) ?? job.runs[0];
  const page = await listed(run, () => section.replaceChildren(notice("Searching", "Looking through the file names.")));
  /** @param {Record<string, string>} changes */
  const go = (changes) => location.assign(`${addressWith({ ...changes, cursor: "" })}#gallery`);
  /** @type {(name: string, label: string, options: [string, string][], chosen: string) => HTMLElement} */
  const choose = (name, label, options, chosen) =>
    h(
      "label",
      {},
      label,
      h(
        "select",
        { onchange: (/** @type {Dom.FieldEvent<HTMLSelectElement>} */ event) => go({ [name]: event.target.value }) },
        options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)),
      ),
    );
  const search = h("input", { type: "search", value: filter("file_name") });
  search.addEventListener("change", () => go({ file_name: search.value.trim() }));
  const filters = h(
    "div",
    { class: "filters" },
    choose(
      "run",
      "Run",
      job.runs.map((one) => [one.id, runName(one, job.runs)]),
      run.id,
    ),
    h("label", {}, "File name", search),
    choose("outcome", "Outcome", outcomes(run), filter("outcome")),
  );
  const tiles = page.items.map((image) => tile(run, image));
  const first =
    filter("cursor") && h("a", { class: "button", href: `${addressWith({ cursor: "" })}#gallery` }, "First images");
  const further =
    page.next &&
    h("a", { class: "button", href: `${addressWith({ run: run.id, cursor: page.next })}#gallery` }, "More images");
  const pages = h("nav", { class: "pages", "aria-label": "Pages of images" }, [first, further].filter(Boolean));
  section.replaceChildren(
    filters,
    tiles.length
      ? h("ul", { class: "gallery" }, tiles)
      : notice("No matching images", "No image of this run matches these filters."),
    ...(first || further ? [pages] : []),
  );
  const shown = new Map(page.items.map((image, index) => [image.image_id, tiles[index]]));
  return async () => {
    if (!section.querySelector("[data-outcome=pending]")) return;
    for (const image of (await listed(run)).items) {
      const old = shown.get(image.image_id);
      if (!old || old.dataset.outcome === image.outcome) continue;
      const now = tile(run, image);
      old.replaceWith(now);
      shown.set(image.image_id, now);
    }
  };
}
