import { followJob, get, hasEnded } from "/dashboard/static/api.js";
import { facts, h, notice } from "/dashboard/static/dom.js";
import { count, moment, nameOf } from "/dashboard/static/format.js";
import { jobActions } from "/dashboard/static/job/actions.js";
import { showExports } from "/dashboard/static/exports/section.js";
import { showGallery } from "/dashboard/static/gallery/gallery.js";
import { showFailures } from "/dashboard/static/job/failures.js";
import { showHistory } from "/dashboard/static/job/history.js";
import { showLog } from "/dashboard/static/job/log.js";
import { runsTable, showQuality } from "/dashboard/static/job/runs.js";
import { showStages } from "/dashboard/static/job/stages.js";
import { showStorage } from "/dashboard/static/job/storage.js";
import { showThroughput } from "/dashboard/static/job/throughput.js";
import { askAndDelete } from "/dashboard/static/jobs/bulk.js";
import { editJob } from "/dashboard/static/jobs/edit.js";
import { chips, listOf } from "/dashboard/static/labels.js";
import { progressLine } from "/dashboard/static/pages/overview.js";
import { flatten, shown } from "/dashboard/static/reports/identity.js";
import { showReviews } from "/dashboard/static/review/progress.js";
import { stateOf } from "/dashboard/static/states.js";
import { timeOf } from "/dashboard/static/times.js";

const RENEWED_AT_MOST_EVERY_MS = 2000;

// Describe a task: its kind and prompt, then its settings by name, e.g. "prompts, box, from annotations".
/** @param {Api.Task} task */
function taskOf({ kind, prompt, ...settings }) {
  const set = flatten(settings).map(([name, one]) => `${name.replaceAll("_", " ")} ${shown(one)}`);
  return [kind, prompt && shown(prompt), ...set].filter(Boolean).join(", ");
}

// When the job will be deleted. A job without an own limit shows nothing until its end.
/** @param {Api.Job} job */
function keptUntil(job) {
  if (job.expires_at) return `after ${moment(job.expires_at)}`;
  return job.keep_days && `${count(job.keep_days)} ${job.keep_days === 1 ? "day" : "days"} after its end`;
}

// Links to the other pages about a job.
/** @param {Api.Job} job */
function pagesOf({ id, runs }) {
  const query = new URLSearchParams(runs.slice(0, 4).map((run) => ["run", run.id]));
  const links = [
    h("a", { href: `/dashboard/jobs/${id}/images?run=${runs[0].id}` }, "All images"),
    runs.length > 1 && h("a", { href: `/dashboard/compare?${query}` }, "Compare the masks of the runs"),
    h("a", { href: `/dashboard/reports/latency?job=${id}` }, "Reports of this job"),
  ];
  return h(
    "nav",
    { class: "links", "aria-label": "Pages of the job" },
    links.filter((link) => link !== false),
  );
}

// The parts of the page that every event updates: the progress bar, its line and the table of runs.
/** @param {Api.Job} job */
function progress(job) {
  const state = h("span"),
    bar = h("progress", { max: 1, "aria-label": "Progress" }),
    line = h("p", { class: "soft" });
  const error = h("p", { class: "bad" }),
    about = h("div"),
    stalled = h("p", { class: "wait", role: "status" }), // it goes on by itself
    actions = jobActions(job),
    runs = h("section", { id: "runs" }),
    quality = h("section", { id: "quality" });
  /** @param {Api.Job} now */
  const update = (now) => {
    state.replaceChildren(stateOf(now));
    bar.value = now.progress;
    line.replaceChildren(progressLine(now));
    error.replaceChildren(now.error ? `${now.error.code}: ${now.error.message}` : "");
    about.replaceChildren(
      facts([
        ["Task", taskOf(now.task)],
        ["Priority", String(now.priority)],
        ["Submitted", timeOf(now.created_at)],
        ["Ended", timeOf(now.finished_at)],
        ["Deleted", keptUntil(now)],
        ["Labels", chips(now.labels, listOf)],
        ["Notes", now.notes && h("span", { class: "notes" }, now.notes)],
        ["Runs again", now.parent_id && h("a", { href: `/dashboard/jobs/${now.parent_id}` }, "the earlier job")],
      ]),
    );
    stalled.replaceChildren(
      now.stalled ? `Waiting since ${moment(now.stalled.since)}: ${now.stalled.message} (${now.stalled.code})` : "",
    );
    actions.update(now);
    runs.replaceChildren(runsTable(now));
    showQuality(quality, now);
  };
  update(job);
  return { state, bar, line, error, stalled, about, actions, runs, quality, update };
}

// Throttle `renew`, which needs several requests: events come with every shard. The last event always leads to a call.
/** @type {(renew: (job: Api.Job) => unknown) => (job: Api.Job) => void} */
function onceInAWhile(renew) {
  let last = 0,
    waiting = 0;
  return (now) => {
    clearTimeout(waiting);
    waiting = setTimeout(
      () => {
        last = performance.now();
        renew(now);
      },
      Math.max(0, last + RENEWED_AT_MOST_EVERY_MS - performance.now()),
    );
  };
}

/** @type {(main: HTMLElement, asked: string) => Promise<void>} */
export async function show(main, asked) {
  /** @type {Api.Job} */
  const job = await get(`/v1/jobs/${asked}`);
  const { id } = job; // the URL may have only its first characters
  document.title = `${nameOf(job)} · samfleet`;
  const [reviews, throughput, stages, failures, exports, log, history, storage, gallery] = [
    "reviews",
    "throughput",
    "stages",
    "failures",
    "exports",
    "log",
    "history",
    "storage",
    "gallery",
  ].map((name) => h("section", { id: name }, h("p", { class: "loading" }, "Loading…")));
  const moving = progress(job);
  const deleteIt = () => askAndDelete(id, () => location.assign("/dashboard/jobs"));
  const edit = async () => editJob(await get(`/v1/jobs/${id}`), () => location.reload());
  main.replaceChildren(
    h("div", { class: "head" }, h("h1", {}, nameOf(job)), moving.state),
    moving.bar,
    moving.line,
    moving.error,
    moving.stalled,
    moving.about,
    pagesOf(job),
    moving.actions,
    h(
      "p",
      {},
      h("button", { type: "button", onclick: edit }, "Edit name, labels and notes"),
      " ",
      h("button", { type: "button", class: "danger", onclick: deleteIt }, "Delete the job"),
    ),
    h("h2", {}, "Runs"),
    moving.runs,
    moving.quality,
    h("h2", {}, "Review"),
    reviews,
    h("h2", {}, "Images over time"),
    throughput,
    h("h2", {}, "Where the time goes"),
    stages,
    h("h2", {}, "Failures"),
    failures,
    h("h2", {}, "Exports"),
    exports,
    h("h2", {}, "Log"),
    log,
    h("h2", {}, "History"),
    history,
    h("h2", {}, "Storage"),
    storage,
    h("h2", {}, "Images"),
    gallery,
  );
  /** @param {Api.Job} now */
  const details = (now) =>
    Promise.all([
      showReviews(reviews, now),
      showThroughput(throughput, now),
      showStages(stages, now),
      showFailures(failures, now),
      showHistory(history, now),
      showStorage(storage, now),
    ]);
  const [renewGallery, renewExports, lines] = await Promise.all([
    showGallery(gallery, job),
    showExports(exports, job),
    showLog(log, job),
    details(job),
  ]);
  if (location.hash === "#gallery") gallery.scrollIntoView();
  if (hasEnded(job)) return;
  const renew = onceInAWhile((now) =>
    Promise.all([details(now), renewGallery(now), renewExports(now)]).catch((problem) =>
      stages.replaceChildren(notice("The times could not be loaded", problem.message)),
    ),
  );
  let recorded = job.counts.succeeded + job.counts.failed,
    state = job.state;
  followJob(
    id,
    (now) => {
      moving.update(now);
      const more = now.counts.succeeded + now.counts.failed;
      if (more === recorded && now.state === state && !hasEnded(now)) return;
      [recorded, state] = [more, now.state];
      renew(now);
    },
    lines,
  );
}
