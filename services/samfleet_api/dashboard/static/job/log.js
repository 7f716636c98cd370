// The log of the job: what the service did and met. New lines come with the events of the job.

import { addressWith, filter, get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { timeOf } from "/dashboard/static/times.js";

const SHOWN = 100;
/** @type {Record<string, [text: string, tone: string]>} */
const LEVELS = { info: ["info", "soft"], warning: ["warning", "wait"], error: ["error", "bad"] };
const RANKS = Object.keys(LEVELS);
/** @type {[value: string, text: string][]} */
const CHOICES = [
  ["", "all lines"],
  ["warning", "warnings and errors"],
  ["error", "errors"],
];
/** @type {Intl.DateTimeFormatOptions} */
const EXACT = {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
};

const levelAsked = () => (RANKS.includes(filter("log")) ? filter("log") : "info");

/** @param {Api.LogLine} line */
function item(line) {
  const [text, tone] = LEVELS[line.level];
  const shard = line.shard === null ? "" : `, shard ${line.shard}`;
  const whose = line.run_id ? `${line.variant} on ${line.pool}${shard}` : "the job";
  return h(
    "li",
    { class: "log-line", title: line.code },
    timeOf(line.at, EXACT),
    h("span", { class: tone }, text),
    h("span", { class: "soft" }, whose),
    h("span", {}, line.message),
  );
}

/** @param {() => void} changed */
function levelField(changed) {
  const options = CHOICES.map(([value, text]) => h("option", { value, selected: value === filter("log") }, text));
  /** @param {Dom.FieldEvent<HTMLSelectElement>} event */
  const choose = ({ target }) => {
    history.replaceState(null, "", addressWith({ log: target.value }));
    changed();
  };
  return h("label", {}, "Show", h("select", { onchange: choose }, options));
}

class JobLog {
  #list = h("ol", { class: "plain-list log-lines", tabindex: 0, "aria-label": "Log, oldest line first" });
  #none = h("p", { class: "soft", role: "status" });
  #older = h("button", { type: "button", onclick: () => this.#load() }, "Earlier lines");
  #next = "";
  #newest = 0;
  #job;

  /** @param {Api.Job} job */
  constructor(job) {
    this.#job = job;
    const choices = h(
      "div",
      { class: "filters" },
      levelField(() => this.#reload()),
      this.#older,
    );
    this.elements = [choices, this.#none, this.#list];
  }

  // The id of the last line that was seen.
  last() {
    return this.#newest;
  }

  // Append a line that has come since. A reader at the end of the log stays there.
  /** @param {Api.LogLine} line */
  add(line) {
    if (line.id <= this.#newest) return;
    this.#newest = line.id;
    if (RANKS.indexOf(line.level) < RANKS.indexOf(levelAsked())) return;
    const follows = this.#list.scrollTop + this.#list.clientHeight >= this.#list.scrollHeight - 8;
    this.#list.append(item(line));
    this.#none.replaceChildren();
    if (follows) this.toEnd();
  }

  toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  async #reload() {
    this.#next = "";
    this.#list.replaceChildren();
    await this.#load();
    this.toEnd();
  }

  // Put the newest lines, or those before the first, in front.
  async #load() {
    const cursor = this.#next && `&cursor=${this.#next}`;
    /** @type {Api.LogLinePage} */
    const page = await get(`/v1/jobs/${this.#job.id}/log?limit=${SHOWN}&level=${levelAsked()}${cursor}`);
    const below = this.#list.scrollHeight - this.#list.scrollTop;
    this.#list.prepend(...page.items.map(item).reverse());
    this.#list.scrollTop = this.#list.scrollHeight - below;
    this.#next = page.next ?? "";
    this.#newest = Math.max(this.#newest, page.items[0]?.id ?? 0);
    this.#older.hidden = !this.#next;
    this.#none.replaceChildren(this.#list.children.length ? "" : "No line of this kind.");
  }

  start() {
    return this.#reload();
  }
}

/** @type {(section: HTMLElement, job: Api.Job) => Promise<JobLog>} */
export async function showLog(section, job) {
  const log = new JobLog(job);
  section.replaceChildren(...log.elements);
  await log.start();
  return log;
}
