// Choices of the filters: everything that has been measured for this tenant.

import { get } from "/dashboard/static/api.js";

const GROUPS = ["variant", "hardware", "precision", "pool", "dataset"];

/** @returns {Promise<Reports.Known>} */
export async function readKnown() {
  const query = new URLSearchParams([
    ...GROUPS.map((name) => ["group_by", name]),
    ["stage", "image"],
    ["include_warmup", "true"],
  ]);
  /** @type {[Api.Report, Api.JobPage]} */
  const [answer, jobs] = await Promise.all([get(`/v1/reports/latency?${query}`), get("/v1/jobs?limit=100")]);
  /** @param {"variant" | "precision" | "pool" | "dataset" | "site"} name */
  const distinct = (name) => [...new Set(answer.rows.map((row) => row[name]).filter((one) => one !== null))].sort();
  const machines = answer.rows.filter((row) => row.hardware_id).map((row) => [row.hardware_id, row.hardware]);
  const byName = [...new Map(/** @type {[string, string][]} */ (machines))].sort(([, a], [, b]) => a.localeCompare(b));
  return {
    any: answer.rows.length > 0,
    rows: answer.rows,
    variants: distinct("variant"),
    precisions: distinct("precision"),
    pools: distinct("pool"),
    datasets: distinct("dataset"),
    sites: distinct("site"),
    hardware: new Map(byName),
    hardwareIds: byName.map(([id]) => id),
    jobs: new Map(jobs.items.map((job) => [job.id, job.name ?? `Job ${job.id.slice(0, 8)}`])),
  };
}
