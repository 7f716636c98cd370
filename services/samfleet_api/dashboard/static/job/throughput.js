import { get, hasEnded } from "/dashboard/static/api.js";
import { lines } from "/dashboard/static/charts/lines.js";
import { colourOf, legend, shapeOf } from "/dashboard/static/charts/plot.js";
import { linear } from "/dashboard/static/charts/scale.js";
import { h, notice, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { runName } from "/dashboard/static/job/runs.js";

/** @typedef {{ name: string, rates: number[], recorded: number[] }} Named a run, or the sum of all */

const POINTS = 40;
const MOST_LINES = 7; // with more runs, only their sum is drawn

/** @type {(section: HTMLElement, job: Api.Job) => Promise<void>} */
export async function showThroughput(section, job) {
  /** @type {Api.JobThroughput} */
  const answer = await get(`/v1/jobs/${job.id}/throughput?points=${POINTS}`);
  const seconds = answer.seconds_per_point,
    runs = answer.runs.filter((run) => run.points.some((point) => point.images));
  if (!seconds || !runs.length)
    return section.replaceChildren(
      hasEnded(job)
        ? notice("Nothing was recorded", "The job ended before the first image was recorded.")
        : notice("Nothing recorded yet", "The line starts when the first images are recorded."),
    );
  const wasOpen = section.querySelector("details")?.open;
  const named = runs.map((run) => ({
    name: runName(run, runs),
    rates: run.points.map((point) => point.images_per_second),
    recorded: run.points.map((point) => point.images),
  }));
  const sum = {
    name: "all runs",
    rates: runs[0].points.map((_, index) => named.reduce((total, run) => total + run.rates[index], 0)),
    recorded: runs[0].points.map((_, index) => named.reduce((total, run) => total + run.recorded[index], 0)),
  };
  const drawn = (named.length > MOST_LINES ? [sum] : named).map((one, index) => ({
    ...one,
    colour: colourOf(index),
    shape: shapeOf(index),
    points: points(one, seconds, hasEnded(job)),
  }));
  /** @type {Charts.LinesOptions} */
  const options = {
    y: "images",
    from: 0,
    until: runs[0].points.length * seconds,
    air: seconds,
    moment: elapsed,
    ticks: (first, last, most) => linear(first, last, 0, 1).ticks(most),
  };
  const chart = lines("Images recorded since the start, by run", drawn, options);
  section.replaceChildren(
    h("div", { class: "card" }, chart, legend(drawn.map((one) => ({ ...one, line: true })))),
    asTable(answer, named.length > 1 ? [...named, sum] : named, wasOpen),
  );
}

/** @param {number} seconds */
function elapsed(seconds) {
  if (seconds === 0) return "start";
  if (seconds < 90) return `${Number(seconds.toFixed(seconds < 10 ? 2 : 0))} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, left] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min${left ? ` ${left} s` : ""}`;
}

// Cumulative sums, because all images of a shard are recorded at once and rates would be spikes. The slope is the rate.
// If the job has ended, the line of a run ends at its last image.
/** @type {(one: Named, seconds: number, ended: boolean) => Charts.LinePoint[]} */
function points(one, seconds, ended) {
  let sum = 0;
  const sums = one.recorded.map((images) => (sum += images));
  const last = ended ? one.recorded.findLastIndex(Boolean) : sums.length - 1;
  return [0, ...sums.slice(0, last + 1)].map((value, index) => ({
    at: index * seconds,
    value,
    tip: `${one.name}\nafter ${elapsed(index * seconds)}: ${count(value)} images`,
  }));
}

/** @type {(answer: Api.JobThroughput, named: Named[], open: boolean | undefined) => HTMLElement} */
function asTable(answer, named, open) {
  const rows = answer.runs[0].points.map((_, index) => index);
  /** @param {number} index */
  const recorded = (index) => answer.runs.reduce((sum, run) => sum + run.points[index].images, 0);
  /** @type {Dom.Column<number>[]} */
  const columns = [
    { title: "After", value: (index) => elapsed(index * answer.seconds_per_point) },
    { title: "Images", number: true, value: (index) => count(recorded(index)) },
    ...named.map((one) => ({
      title: one.name,
      number: true,
      value: (/** @type {number} */ index) => one.rates[index].toFixed(1),
    })),
  ];
  return h(
    "details",
    { class: "as-table", open },
    h("summary", {}, "As a table"),
    table(`Images per second, in intervals of ${elapsed(answer.seconds_per_point)}`, columns, rows, "dense"),
  );
}
