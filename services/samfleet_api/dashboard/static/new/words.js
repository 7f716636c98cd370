import { count } from "/dashboard/static/format.js";

/** @type {Record<string, string>} */
const SETTINGS = {
  pred_iou_thresh: "minimum predicted IoU",
  stability_score_thresh: "minimum stability score",
  stability_score_offset: "offset of the stability score",
  box_nms_thresh: "NMS threshold of boxes",
  crop_n_layers: "layers of crops",
  crop_nms_thresh: "NMS threshold between crops",
  crop_overlap_ratio: "overlap of crops",
  crop_n_points_downscale_factor: "fewer points per layer, factor",
  min_mask_region_area: "smallest hole or island, px",
  multimask: "best of three masks",
};

// The words for a setting of a task; the form shows its name in the API as a hint.
/** @param {string} name */
export const settingInWords = (name) => SETTINGS[name] ?? name.replaceAll("_", " ");

/** @param {number} number */
export const imagesOf = (number) => `${count(number)} ${number === 1 ? "image" : "images"}`;
