// The runs to compare: those of the URL, or what its `variant` and `dataset` suggest.

import { filter, get } from "/dashboard/static/api.js";
import { byAnnotations, chosenRuns, MOST_RUNS } from "/dashboard/static/compare/address.js";

const LETTERS = "ABCD";
const JOBS = 100;

/** @returns {Promise<Api.Job[]>} */
export async function recentJobs() {
  /** @type {Api.JobPage} */
  const page = await get(`/v1/jobs?limit=${JOBS}`);
  return page.items;
}

/** @type {(jobs: Api.Job[]) => Promise<Compare.Side[]>} */
export async function sidesOf(jobs) {
  const named = chosenRuns();
  const ids = named.length ? named : suggested(jobs);
  const first = byAnnotations() ? 1 : 0; // the letter A is that of the annotations
  const runs = ids.slice(0, MOST_RUNS - first);
  const sides = await Promise.all(runs.map((id, index) => sideOf(id, LETTERS[index + first], jobs)));
  return first && sides.length ? [{ ...sides[0], letter: LETTERS[0], annotations: true }, ...sides] : sides;
}

/** @type {(id: string, letter: string, jobs: Api.Job[]) => Promise<Compare.Side>} */
async function sideOf(id, letter, jobs) {
  /** @type {Api.Run} */
  const run = await get(`/v1/runs/${encodeURIComponent(id)}`); // a list of jobs does not name the hardware
  const job = jobs.find((one) => one.id === run.job_id) ?? (await jobOf(run));
  return { letter, run, job, annotations: false };
}

/** @type {(run: Api.Run) => Promise<Api.Job>} */
const jobOf = (run) => get(`/v1/jobs/${run.job_id}`);

// A link from a report names a variant and a dataset. The newest run of it is A, and the newest run of another variant
// over the same images is B.
/** @type {(jobs: Api.Job[]) => string[]} */
function suggested(jobs) {
  const variant = filter("variant");
  const candidates = withResults(jobs).filter(
    ({ job }) => !filter("dataset") || job.dataset_name === filter("dataset"),
  );
  const first = variant && candidates.find(({ run }) => run.variant === variant);
  if (!first) return [];
  const second = candidates.find(({ run, job }) => run.variant !== variant && sameImages(job, first.job));
  return [first, second].flatMap((one) => (one ? [one.run.id] : []));
}

/** @param {Api.Job[]} jobs */
export const withResults = (jobs) =>
  jobs.flatMap((job) => job.runs.filter((run) => run.counts.succeeded > 0).map((run) => ({ run, job })));

// Two datasets of the same name may be made of the same folder; the API knows by their contents, and refuses others.
/** @type {(one: Api.Job, other: Api.Job) => boolean} */
export const sameImages = (one, other) =>
  one.dataset_id === other.dataset_id || one.dataset_name === other.dataset_name;

/** @param {Compare.Side} side */
export const titleOf = ({ letter, run, annotations }) => `${letter}: ${annotations ? "annotations" : run.variant}`;
