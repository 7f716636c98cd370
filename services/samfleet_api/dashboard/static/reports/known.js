// Choices of the filters: everything that has been measured for this tenant.

import { get } from "/dashboard/static/api.js";

const GROUPS = ["variant", "hardware", "precision", "pool", "dataset"];

export async function readKnown() {
  const query = new URLSearchParams([
    ...GROUPS.map((name) => ["group_by", name]),
    ["stage", "image"],
    ["include_warmup", "true"],
  ]);
  const [answer, jobs] = await Promise.all([get(`/v1/reports/latency?${query}`), get("/v1/jobs?limit=100")]);
  const distinct = (name) => [...new Set(answer.rows.map((row) => row[name]).filter((one) => one !== null))].sort();
  const hardware = new Map(answer.rows.filter((row) => row.hardware_id).map((row) => [row.hardware_id, row.hardware]));
  return {
    any: answer.rows.length > 0,
    variants: distinct("variant"),
    precisions: distinct("precision"),
    pools: distinct("pool"),
    datasets: distinct("dataset"),
    sites: distinct("site"),
    hardware: new Map([...hardware].sort(([, a], [, b]) => a.localeCompare(b))),
    hardwareIds: [...hardware.keys()].sort((a, b) => hardware.get(a).localeCompare(hardware.get(b))),
    jobs: new Map(jobs.items.map((job) => [job.id, job.name ?? `Job ${job.id.slice(0, 8)}`])),
  };
}
