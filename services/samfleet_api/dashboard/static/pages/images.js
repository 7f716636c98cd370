// All images of a job's run, with filters and orders.

import { followJob, get, hasEnded } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { nameOf } from "/dashboard/static/format.js";
import { showGallery } from "/dashboard/static/gallery/gallery.js";
import { stateOf } from "/dashboard/static/states.js";

const RENEWED_EVERY_MS = 2000;

/** @type {(main: HTMLElement, asked: string) => Promise<void>} */
export async function show(main, asked) {
  /** @type {Api.Job} */
  const job = await get(`/v1/jobs/${asked}`);
  document.title = `Images of ${nameOf(job)} · samfleet`;
  history.scrollRestoration = "manual"; // the list restores its place itself, when it has loaded it
  const state = h("span", {}, stateOf(job)),
    section = h("section", { id: "gallery" });
  main.classList.add("wide");
  main.replaceChildren(
    h("p", {}, h("a", { href: `/dashboard/jobs/${job.id}` }, nameOf(job))),
    h("div", { class: "head" }, h("h1", {}, "Images"), state),
    section,
  );
  const renew = await showGallery(section, job, true);
  if (hasEnded(job)) return;
  let waits = false;
  followJob(job.id, (now) => {
    state.replaceChildren(stateOf(now));
    if (waits) return;
    waits = true;
    setTimeout(() => {
      waits = false;
      renew(now).catch((error) => state.replaceChildren(error.message));
    }, RENEWED_EVERY_MS);
  });
}
