import { get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { bytes, count } from "/dashboard/static/format.js";

/** @type {(section: HTMLElement, job: Api.Job) => Promise<void>} */
export async function showStorage(section, job) {
  /** @type {Api.JobStorage} */
  const { total, pictures } = await get(`/v1/jobs/${job.id}/storage`);
  const text = `${bytes(total.bytes)} in ${count(total.objects)} objects, ${count(total.rows)} rows`;
  const more = pictures.objects ? `; ${bytes(pictures.bytes)} of it pictures of this page` : "";
  section.replaceChildren(h("p", {}, text + more));
}
