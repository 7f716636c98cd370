// The choice of images: run, filters and order. It is in the address, under the names of the API's parameters.

import { addressWith, filter } from "/dashboard/static/api.js";

export const RANGES = ["mask_count", "predicted_iou", "iou"];
export const FILTERS = [
  "outcome",
  "error_code",
  "file_name",
  "review",
  ...RANGES.flatMap((figure) => [`min_${figure}`, `max_${figure}`]),
];

/** @returns {Gallery.Choice} */
export const chosen = () => ({
  sort: filter("sort", "position"),
  filters: FILTERS.flatMap((name) => (filter(name) ? [[name, filter(name)]] : [])),
});

// Change the address. Another page may need other state in the history, so nothing of the last entry is kept.
/** @param {Record<string, string>} changes */
export const choose = (changes) => history.pushState(null, "", addressWith(changes));

/** @type {(choice: Gallery.Choice) => boolean} */
export const isWhole = ({ sort, filters }) => sort === "position" && filters.length === 0;

// Whether each run has the same images for this choice, at the same places.
/** @type {(choice: Gallery.Choice) => boolean} */
export const isOfDataset = ({ sort, filters }) =>
  sort === "position" && filters.every(([name]) => name === "file_name");

/** @type {(choice: Gallery.Choice, page: Record<string, string | number>) => string} */
export function queryOf({ sort, filters }, page) {
  const query = new URLSearchParams(filters);
  if (sort !== "position") query.set("sort", sort);
  for (const [name, value] of Object.entries(page)) query.set(name, String(value));
  return query.toString();
}

// The address of all images with the filters of this page.
/** @type {(job: Api.Job, run: Api.Run) => string} */
export function addressOfImages(job, run) {
  const query = queryOf(chosen(), { run: run.id });
  return `/dashboard/jobs/${job.id}/images?${query}`;
}
