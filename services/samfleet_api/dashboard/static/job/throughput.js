import { get } from "/dashboard/static/api.js";
import { lines } from "/dashboard/static/charts/lines.js";
import { colourOf, legend, shapeOf } from "/dashboard/static/charts/plot.js";
import { linear } from "/dashboard/static/charts/scale.js";
import { h, notice, table } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { runName } from "/dashboard/static/job/runs.js";

const POINTS = 40;
const MOST_LINES = 7; // of more runs only the sum is drawn

export async function showThroughput(section, job) {
  const answer = await get(`/v1/jobs/${job.id}/throughput?points=${POINTS}`);
  const seconds = answer.seconds_per_point,
    runs = answer.runs.filter((run) => run.points.length);
  if (!seconds || !runs.length)
    return section.replaceChildren(
      notice("Nothing recorded yet", "The line begins with the first shard that a worker takes."),
    );
  const wasOpen = section.querySelector("details")?.open;
  const named = runs.map((run) => ({
    name: runName(run, runs),
    rates: run.points.map((point) => point.images_per_second),
  }));
  const sum = {
    name: "all runs",
    rates: runs[0].points.map((_, index) => named.reduce((total, run) => total + run.rates[index], 0)),
  };
  const drawn = (named.length > MOST_LINES ? [sum] : named).map((one, index) => ({
    ...one,
    colour: colourOf(index),
    shape: shapeOf(index),
    points: points(one, seconds),
  }));
  const options = {
    y: "images/s",
    from: 0,
    until: (runs[0].points.length - 1) * seconds,
    air: seconds,
    moment: elapsed,
    ticks: (first, last, most) => linear(first, last, 0, 1).ticks(most),
  };
  const chart = lines("Images recorded each second, run by run", drawn, options);
  section.replaceChildren(
    h("div", { class: "card" }, chart, legend(drawn.map((one) => ({ ...one, line: true })))),
    asTable(answer, named.length > 1 ? [...named, sum] : named, wasOpen),
  );
}

function elapsed(seconds) {
  if (seconds === 0) return "start";
  if (seconds < 90) return `${Number(seconds.toFixed(seconds < 10 ? 2 : 0))} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, left] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  return hours ? `${hours} h ${minutes} min` : `${minutes} min${left ? ` ${left} s` : ""}`;
}

// From just before the first image to just after the last: nothing is told by lines that lie on each other at 0.
function points(one, seconds) {
  const all = one.rates.map((value, index) => ({
    at: index * seconds,
    value,
    tip: `${one.name}\nafter ${elapsed(index * seconds)}: ${value.toFixed(1)} images/s`,
  }));
  const first = one.rates.findIndex(Boolean),
    last = one.rates.findLastIndex(Boolean);
  return first < 0 ? [] : all.slice(Math.max(0, first - 1), last + 2);
}

function asTable(answer, named, open) {
  const rows = answer.runs[0].points.map((_, index) => index);
  const recorded = (index) => answer.runs.reduce((sum, run) => sum + run.points[index].images, 0);
  const columns = [
    { title: "After", value: (index) => elapsed(index * answer.seconds_per_point) },
    { title: "Images", number: true, value: (index) => count(recorded(index)) },
    ...named.map((one) => ({ title: one.name, number: true, value: (index) => one.rates[index].toFixed(1) })),
  ];
  return h(
    "details",
    { class: "as-table", open },
    h("summary", {}, "As a table"),
    table(`Images per second, in stretches of ${elapsed(answer.seconds_per_point)}`, columns, rows, "dense"),
  );
}
