import { addressWith, filter, followJob, get, hasEnded, post } from "/dashboard/static/api.js";
import { stackedBars } from "/dashboard/static/charts/stages.js";
import { facts, h, notice, table } from "/dashboard/static/dom.js";
import { count, milliseconds, moment, nameOf, rate } from "/dashboard/static/format.js";
import { flatten, shown } from "/dashboard/static/reports/identity.js";
import { progressLine, stateOf } from "/dashboard/static/pages/overview.js";

const PICTURES = 24;
const MOST_FAILURES = 1000;

function runsTable(job) {
  return table("Runs: one variant on one pool each", [
    { title: "Variant", value: (run) => run.variant },
    { title: "Pool", value: (run) => run.pool },
    { title: "State", value: stateOf },
    { title: "Done", number: true, value: (run) => `${count(run.counts.succeeded + run.counts.failed)} of ${count(run.counts.total)}` },
    { title: "Failed", number: true, value: (run) => count(run.counts.failed) },
    { title: "Masks", number: true, value: (run) => count(run.masks) },
    { title: "Rate", number: true, value: (run) => (run.images_per_second === null ? "–" : rate(run.images_per_second)) },
    { title: "Hardware", value: (run) => run.hardware.map((one) => `${one.device_name} (${one.precision})`).join(", ") || "–" },
    { title: "Results", value: (run) => h("a", { href: `/v1/runs/${run.id}/results?format=coco`, download: true }, "COCO") },
  ], job.runs);
}

function runName(run, runs) {
  const alone = runs.filter((other) => other.variant === run.variant).length === 1;
  return alone ? run.variant : `${run.variant} on ${run.pool}`;
}

async function showStages(section, job) {
  const runs = await Promise.all(job.runs.map((run) => get(`/v1/runs/${run.id}`)));
  const stages = [...new Set(runs.flatMap((run) => Object.keys(run.stages)))];
  if (!stages.length) {
    section.replaceChildren(notice("No times yet", "They come with the first images that are recorded."));
    return;
  }
  const measured = runs.filter((run) => Object.keys(run.stages).length);
  const bars = measured.map((run) => ({ name: runName(run, runs), parts: Object.fromEntries(stages.map((stage) => [stage, run.stages[stage]?.mean_ms ?? 0])) }));
  const rows = measured.flatMap((run) => Object.entries(run.stages).map(([stage, times]) => ({ name: runName(run, runs), stage, ...times })));
  const columns = ["mean_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms"].map((field) => ({ title: field.replace("_ms", ""), number: true, value: (row) => milliseconds(row[field]) }));
  section.replaceChildren(h("div", { class: "card" }, stackedBars("Mean time of an image, stage by stage", stages, bars)), table("Time per image and stage, warm-up left out",
    [{ title: "Run", value: (row) => row.name }, { title: "Stage", value: (row) => row.stage }, { title: "Images", number: true, value: (row) => count(row.n) }, ...columns], rows));
}

async function showFailures(section, job) {
  if (!job.counts.failed) {
    section.replaceChildren(h("p", { class: "soft" }, "No image has failed."));
    return;
  }
  const page = await get(`/v1/jobs/${job.id}/errors?limit=${MOST_FAILURES}`);
  const groups = new Map();
  for (const one of page.items) groups.set(one.code, [...(groups.get(one.code) ?? []), one]);
  const link = (one) => h("li", {}, h("a", { href: `/dashboard/runs/${one.run_id}/images/${one.image_id}` }, one.file_name), ` ${one.message}`);
  const files = (list) => h("details", {}, h("summary", {}, "Files"), h("ul", {}, list.slice(0, 50).map(link)), list.length > 50 ? h("p", {}, `and ${count(list.length - 50)} more`) : null);
  const rows = [...groups].sort(([, a], [, b]) => b.length - a.length);
  section.replaceChildren(table(page.next ? `Of the first ${count(MOST_FAILURES)} failures` : "Failures by code", [
    { title: "Code", value: ([code]) => code },
    { title: "Images", number: true, value: ([, list]) => count(list.length) },
    { title: "Stage", value: ([, list]) => [...new Set(list.map((one) => one.stage ?? "–"))].join(", ") },
    { title: "Which", value: ([, list]) => files(list) },
  ], rows));
}

function picture(run, image) {
  const address = `/v1/runs/${run.id}/images/${image.image_id}/overlay.png?max_side=320`;
  const shown = h("img", { src: address, alt: "", loading: "lazy", onerror: () => shown.replaceWith(h("div", { class: "missing" }, "no masks (yet)")) });
  return h("li", {}, h("a", { href: `/dashboard/runs/${run.id}/images/${image.image_id}` }, shown, h("span", {}, image.file_name)));
}

async function showGallery(section, job) {
  const run = job.runs.find((one) => one.id === filter("run")) ?? job.runs[0];
  const cursor = filter("cursor");
  const page = await get(`/v1/datasets/${job.dataset_id}/images?limit=${PICTURES}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  const options = job.runs.map((one) => h("option", { value: one.id, selected: one === run }, runName(one, job.runs)));
  const choose = (event) => location.assign(addressWith({ run: event.target.value }));
  const further = page.next ? h("p", {}, h("a", { href: addressWith({ run: run.id, cursor: page.next }) }, "Further images")) : null;
  const first = cursor ? h("p", {}, h("a", { href: addressWith({ cursor: "" }) }, "Back to the first images")) : null;
  section.replaceChildren(h("div", { class: "filters" }, h("label", {}, "Masks of", h("select", { onchange: choose }, options))),
    h("ul", { class: "gallery" }, page.items.map((image) => picture(run, image))), ...[first, further].filter(Boolean));
}

function cancelButton(job) {
  const problem = h("span", { class: "bad", role: "alert" });
  const cancel = async () => {
    if (!confirm("Cancel this job? What is recorded stays.")) return;
    button.disabled = true;
    try {
      await post(`/v1/jobs/${job.id}/cancel`);
    } catch (error) {
      problem.replaceChildren(error.message);
    }
  };
  const button = h("button", { type: "button", onclick: cancel }, "Cancel the job");
  return h("p", {}, button, " ", problem);
}

export async function showJob(main, id) {
  const job = await get(`/v1/jobs/${id}`);
  document.title = `${nameOf(job)} · samfleet`;
  const sections = ["runs", "stages", "failures", "gallery"].map((name) => h("section", { id: name }, h("p", { class: "loading" }, "Loading…")));
  const [runs, stages, failures, gallery] = sections;
  const state = h("span"), bar = h("progress", { max: 1, "aria-label": "Progress" }), line = h("p", { class: "soft" });
  const cancel = cancelButton(job);
  const error = h("p", { class: "bad" });
  const update = (now) => {
    state.replaceChildren(stateOf(now));
    bar.value = now.progress;
    line.replaceChildren(progressLine(now));
    error.replaceChildren(now.error ? `${now.error.code}: ${now.error.message}` : "");
    cancel.hidden = hasEnded(now);
    runs.replaceChildren(runsTable(now));
  };
  update(job);
  const about = facts([["Task", flatten(job.task).map(([name, one]) => (name === "kind" ? one : `${name.replaceAll("_", " ")} ${shown(one)}`)).join(", ")], ["Submitted", moment(job.created_at)], ["Ended", moment(job.finished_at)]]);
  main.replaceChildren(h("div", { class: "head" }, h("h1", {}, nameOf(job)), state), bar, line, error, about, cancel, h("h2", {}, "Runs"), runs,
    h("h2", {}, "Where the time goes"), stages, h("h2", {}, "Failures"), failures, h("h2", {}, "Images"), gallery);
  const details = (now) => Promise.all([showStages(stages, now), showFailures(failures, now)]);
  await Promise.all([details(job), showGallery(gallery, job)]);
  if (hasEnded(job)) return;
  let recorded = job.counts.succeeded + job.counts.failed;
  followJob(id, (now) => {
    update(now);
    const more = now.counts.succeeded + now.counts.failed;
    if (more === recorded) return;
    recorded = more;
    details(now).catch((problem) => stages.replaceChildren(notice("The times are not known", problem.message)));
  });
}
