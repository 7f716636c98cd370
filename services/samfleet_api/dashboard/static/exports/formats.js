// What each format is for. A format that is not here, of a newer server, has the API's description.

/** @type {[string, string[]][]} */
const PURPOSES = [
  ["Evaluate and compute", ["coco_pair", "coco", "instances", "jsonl", "parquet"]],
  ["Train", ["yolo", "coco_polygons", "voc", "sa1b", "png", "png_masks"]],
  ["Label and review in another tool", ["cvat", "label_studio", "label_studio_polygons", "labelme", "fiftyone"]],
  ["Maps", ["geojson", "gpkg"]],
  ["Look at and show", ["overlays", "contact_sheet", "cutouts"]],
];

/** @type {Record<string, string>} */
const TITLES = {
  coco_pair: "COCO results and dataset",
  coco: "COCO results",
  instances: "COCO file",
  jsonl: "JSON lines",
  parquet: "Parquet table",
  yolo: "YOLO segmentation",
  coco_polygons: "COCO file with polygons",
  voc: "Pascal VOC",
  sa1b: "SA-1B",
  png: "Label maps",
  png_masks: "PNG masks",
  cvat: "CVAT",
  label_studio: "Label Studio, brushes",
  label_studio_polygons: "Label Studio, polygons",
  labelme: "LabelMe",
  fiftyone: "FiftyOne",
  geojson: "GeoJSON",
  gpkg: "GeoPackage",
  overlays: "Overlays",
  contact_sheet: "Contact sheets",
  cutouts: "Cutouts",
};

/** @param {string} name */
export const titleOf = (name) => TITLES[name] ?? name;

// Group the server's formats by what they are for.
/** @type {(formats: Api.FormatHelp[]) => [string, Api.FormatHelp[]][]} */
export function grouped(formats) {
  const known = new Map(formats.map((one) => [one.name, one]));
  /** @type {[string, Api.FormatHelp[]][]} */
  const groups = PURPOSES.map(([purpose, names]) => [purpose, names.flatMap((name) => known.get(name) ?? [])]);
  const others = formats.filter((one) => !(one.name in TITLES));
  return [...groups, /** @type {[string, Api.FormatHelp[]]} */ (["Other formats", others])].filter(
    ([, items]) => items.length,
  );
}
