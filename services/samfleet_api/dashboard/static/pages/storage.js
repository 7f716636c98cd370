import { get } from "/dashboard/static/api.js";
import { h, table } from "/dashboard/static/dom.js";
import { bytes, count } from "/dashboard/static/format.js";

/** @type {[title: string, kind: "uploads" | "results" | "pictures" | "exports" | "total"][]} */
const KINDS = [
  ["Uploads: images, annotations, detections", "uploads"],
  ["Results: masks", "results"],
  ["Pictures that the dashboard has shown", "pictures"],
  ["Exports", "exports"],
  ["All", "total"],
];

/** @type {Dom.Column<Api.StorageUse>[]} */
const FIGURES = [
  { title: "Size", number: true, value: (use) => bytes(use.bytes) },
  { title: "Objects", number: true, value: (use) => count(use.objects) },
  { title: "Rows", number: true, value: (use) => count(use.rows) },
];

/** @param {Api.LargestItem} item */
function nameOf(item) {
  const name = item.name ?? item.id.slice(0, 8);
  return item.kind === "job" ? h("a", { href: `/dashboard/jobs/${item.id}` }, name) : name;
}

/** @param {HTMLElement} main */
export async function show(main) {
  document.title = "Storage · samfleet";
  /** @type {Api.Storage} */
  const storage = await get("/v1/storage?largest=25");
  const kinds = KINDS.map(([title, kind]) => ({ title, ...storage[kind] }));
  main.replaceChildren(
    h("h1", {}, "Storage"),
    h(
      "p",
      { class: "soft" },
      "Objects in the store and rows in the database, as of now. A deleted job or dataset counts until it is removed. ",
      "Folders of the server and downloads of results are not stored.",
    ),
    table(`Storage of tenant ${storage.tenant}`, [{ title: "Kind", value: (one) => one.title }, ...FIGURES], kinds),
    h("h2", {}, "Largest"),
    storage.largest.length
      ? table(
          "Jobs and datasets with the most bytes",
          [{ title: "Name", value: nameOf }, { title: "Kind", value: (item) => item.kind }, ...FIGURES],
          storage.largest,
        )
      : h("p", { class: "soft" }, "Nothing is stored yet."),
  );
}
