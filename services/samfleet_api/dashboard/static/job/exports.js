import { get, hasEnded, post, remove } from "/dashboard/static/api.js";
import { h, table } from "/dashboard/static/dom.js";
import { bytes, moment, percent } from "/dashboard/static/format.js";

const RENEWED_EVERY_MS = 2000;
/** @type {Record<string, string>} */
const TONES = { completed: "good", queued: "wait", running: "wait", failed: "bad" };

/** @typedef {{ run: Api.Run, made: Api.Export }} Row */

/** @param {Api.Run} run */
const nameOfRun = (run) => `${run.variant} on ${run.pool}`;

/** @param {string} name */
const inWords = (name) => name.replaceAll("_", " ");

/** @param {Api.Export} made */
function stateOf(made) {
  const progress = made.state === "running" ? ` ${percent(made.progress)}` : "";
  const error = made.error ? `: ${made.error.message} (${made.error.code})` : "";
  const outdated = made.outdated ? ", results before a retry" : "";
  return h("span", { class: TONES[made.state] ?? null }, made.state + progress + error + outdated);
}

// The options that differ from the defaults, in words.
/** @type {(made: Api.Export, formats: Api.ExportFormats) => string} */
function optionsOf(made, formats) {
  const changed = formats.options.filter(({ name, default: usual }) => made.options[name] !== usual);
  return changed.map(({ name }) => `${inWords(name)} ${made.options[name]}`).join(", ");
}

/** @param {Api.OptionHelp} option */
function optionField({ name, default: usual, description, choices }) {
  const attributes = { name, title: description };
  if (choices) {
    const values = choices.map((value) => h("option", { value, selected: value === usual }, value));
    const list = h("select", attributes, values);
    return { name, read: () => list.value, label: h("label", {}, inWords(name), list) };
  }
  if (typeof usual === "boolean") {
    const box = h("input", { ...attributes, type: "checkbox", checked: usual });
    return { name, read: () => box.checked, label: h("label", { class: "row" }, box, inWords(name)) };
  }
  const field = h("input", {
    ...attributes,
    type: typeof usual === "number" ? "number" : "text",
    step: "any",
    min: typeof usual === "number" ? 0 : null,
    value: usual,
  });
  const read = () => (typeof usual === "number" ? Number(field.value || usual) : field.value || usual);
  return { name, read, label: h("label", {}, inWords(name), field) };
}

// The form that requests an export of one of the runs.
/** @type {(runs: Api.Run[], formats: Api.ExportFormats, done: () => Promise<unknown>) => HTMLElement} */
function exportForm(runs, formats, done) {
  const said = h("p", { class: "bad", role: "alert" });
  const about = h("p", { class: "soft" });
  const run = h(
    "select",
    { name: "run" },
    runs.map((one) => h("option", { value: one.id }, nameOfRun(one))),
  );
  const form = h(
    "select",
    { name: "format", onchange: describe },
    formats.items.map((one) => h("option", { value: one.name }, one.name)),
  );
  const options = formats.options.map(optionField);
  const submit = h("button", { type: "submit", class: "main" }, "Export");
  function describe() {
    about.replaceChildren(formats.items.find((one) => one.name === form.value)?.description ?? "");
  }
  /** @param {Event} event */
  async function request(event) {
    event.preventDefault();
    submit.disabled = true;
    said.replaceChildren();
    const chosen = Object.fromEntries(options.map(({ name, read }) => [name, read()]));
    try {
      await post(`/v1/runs/${run.value}/exports`, { format: form.value, options: chosen });
      await done();
    } catch (error) {
      said.replaceChildren(error.message);
    }
    submit.disabled = false;
  }
  describe();
  return h(
    "form",
    { onsubmit: request },
    h("div", { class: "filters" }, h("label", {}, "Run", run), h("label", {}, "Format", form), submit),
    about,
    h(
      "details",
      {},
      h("summary", {}, "Options"),
      h(
        "div",
        { class: "filters" },
        options.map((option) => option.label),
      ),
    ),
    said,
  );
}

/** @type {(rows: Row[], formats: Api.ExportFormats, again: () => Promise<unknown>, said: HTMLElement) => HTMLElement} */
function exportsTable(rows, formats, again, said) {
  /** @param {Api.Export} made */
  const deletion = (made) => {
    const click = async () => {
      if (!confirm("Delete this export with its file? The results stay.")) return;
      try {
        await remove(`/v1/exports/${made.id}`);
        await again();
      } catch (error) {
        said.replaceChildren(error.message);
      }
    };
    return h(
      "button",
      { type: "button", "aria-label": `Delete the export ${made.file_name}`, onclick: click },
      "Delete",
    );
  };
  /** @param {Api.Export} made */
  const download = (made) =>
    made.state === "completed"
      ? h("a", { href: `/v1/exports/${made.id}/file`, download: made.file_name }, "Download")
      : "";
  return table(
    "Exports, newest first",
    [
      { title: "Format", value: ({ made }) => made.format },
      { title: "Run", value: ({ run }) => nameOfRun(run) },
      { title: "State", value: ({ made }) => stateOf(made) },
      { title: "Size", number: true, value: ({ made }) => (made.bytes === null ? "–" : bytes(made.bytes)) },
      { title: "Options", value: ({ made }) => optionsOf(made, formats) || "the defaults" },
      { title: "Requested", value: ({ made }) => moment(made.created_at) },
      { title: "File", value: ({ made }) => download(made) },
      { title: "Delete", value: ({ made }) => deletion(made) },
    ],
    rows,
  );
}

// Show the exports of the job's runs, and the form for more. Returns a function that shows them again.
/** @type {(section: HTMLElement, job: Api.Job) => Promise<(now: Api.Job) => Promise<void>>} */
export async function showExports(section, job) {
  /** @type {Api.ExportFormats} */
  const formats = await get("/v1/export-formats");
  const form = h("div"),
    list = h("div"),
    said = h("p", { class: "bad", role: "alert" });
  let runs = "",
    waiting = 0;
  /** @param {Api.Job} now */
  async function renew(now) {
    clearTimeout(waiting);
    const ended = now.runs.filter(hasEnded);
    const names = ended.map((run) => run.id).join();
    if (names !== runs) form.replaceChildren(exportForm(ended, formats, () => renew(now)));
    if (!names) form.replaceChildren(h("p", { class: "soft" }, "A run can be exported when it has ended."));
    runs = names;
    const pages = await Promise.all(
      ended.map(async (run) => {
        /** @type {Api.ExportPage} */
        const page = await get(`/v1/runs/${run.id}/exports`);
        return page.items.map((made) => ({ run, made }));
      }),
    );
    const rows = pages.flat().sort((one, other) => other.made.created_at.localeCompare(one.made.created_at));
    list.replaceChildren(rows.length ? exportsTable(rows, formats, () => renew(now), said) : "");
    if (rows.some(({ made }) => made.state === "queued" || made.state === "running"))
      waiting = setTimeout(() => renew(now).catch((error) => said.replaceChildren(error.message)), RENEWED_EVERY_MS);
  }
  await renew(job);
  section.replaceChildren(form, said, list);
  return renew;
}
