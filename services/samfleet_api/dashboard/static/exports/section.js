// Exports of a job: formats with sizes, and the files that were built.

import { get, hasEnded, post, remove } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { Catalogue } from "/dashboard/static/exports/catalogue.js";
import { filesOf, isOpen } from "/dashboard/static/exports/files.js";
import { optionsForm } from "/dashboard/static/exports/options.js";
import { runName } from "/dashboard/static/job/runs.js";

const RENEWED_EVERY_MS = 1500;

class ExportsSection {
  #said = h("p", { class: "bad", role: "alert" });
  #told = h("p", { class: "soft", role: "status" });
  #form = h("div");
  #list = h("div");
  #runs = ""; // those that can be chosen
  #chosen = "";
  #waiting = 0;
  /** @type {Exports.File[]} */
  #files = [];

  /**
   * @param {HTMLElement} section
   * @param {Api.Job} job
   * @param {Api.ExportFormats} formats
   */
  constructor(section, job, formats) {
    this.job = job;
    this.formats = formats;
    section.replaceChildren(this.#list, this.#told, this.#said, this.#form);
  }

  /** @param {Api.Job} job */
  async renew(job) {
    this.job = job;
    const ended = job.runs.filter(hasEnded),
      names = ended.map((run) => run.id).join();
    if (!names) this.#form.replaceChildren(h("p", { class: "soft" }, "A run can be exported when it has ended."));
    else if (names !== this.#runs) this.#offer(ended);
    this.#runs = names;
    const lists = await Promise.all(ended.map((run) => this.#filesOf(run)));
    this.#files = lists.flat().sort((one, other) => other.made.created_at.localeCompare(one.made.created_at));
    this.#show();
  }

  /** @param {Api.Run[]} runs */
  #offer(runs) {
    this.#chosen = runs.some((run) => run.id === this.#chosen) ? this.#chosen : runs[0].id;
    const options = optionsForm(this.formats.options, () => catalogue.renew());
    const request = () => ({ run: this.#chosen, options: options.read() });
    const catalogue = new Catalogue(this.formats.items, request, (format) =>
      this.#build(format, options.read(), options.keepDays()),
    );
    /** @param {Dom.FieldEvent<HTMLSelectElement>} event */
    const choose = (event) => {
      this.#chosen = event.target.value;
      catalogue.renew();
    };
    const select = h(
      "select",
      { onchange: choose },
      runs.map((run) => h("option", { value: run.id, selected: run.id === this.#chosen }, runName(run, this.job.runs))),
    );
    this.#form.replaceChildren(
      h("div", { class: "filters" }, h("label", {}, "Run", select)),
      options.form,
      catalogue.element,
    );
  }

  /** @type {(format: string, options: Record<string, unknown>, keepDays: number | null) => Promise<string>} */
  async #build(format, options, keepDays) {
    this.#said.replaceChildren();
    try {
      const body = { format, options, ...(keepDays ? { keep_days: keepDays } : {}) };
      await post(`/v1/runs/${this.#chosen}/exports`, body);
      await this.renew(this.job);
      const text = "The file is being built: see the files above.";
      this.#told.replaceChildren(text);
      return text;
    } catch (error) {
      this.#said.replaceChildren(error.message);
      return "Not requested";
    }
  }

  /** @type {(run: Api.Run) => Promise<Exports.File[]>} */
  async #filesOf(run) {
    /** @type {Api.ExportPage} */
    const page = await get(`/v1/runs/${run.id}/exports`);
    return page.items.map((made) => ({ made, runName: runName(run, this.job.runs) }));
  }

  #show() {
    const focused = /** @type {HTMLElement | null} */ (document.activeElement?.closest("[data-export]"))?.dataset
      .export;
    this.#list.replaceChildren(filesOf(this.#files, this.formats.options, { remove: (made) => this.#remove(made) }));
    if (focused)
      /** @type {HTMLElement | null} */ (this.#list.querySelector(`[data-export="${focused}"] button`))?.focus();
    clearTimeout(this.#waiting);
    if (this.#files.some(({ made }) => isOpen(made)))
      this.#waiting = setTimeout(() => this.#follow(), RENEWED_EVERY_MS);
  }

  // Read the exports that are being built again.
  async #follow() {
    try {
      for (const file of this.#files)
        if (isOpen(file.made)) {
          file.made = await get(`/v1/exports/${file.made.id}`);
          if (!isOpen(file.made)) this.#told.replaceChildren(`${file.made.file_name} is ${file.made.state}.`);
        }
      this.#show();
    } catch (error) {
      if (error.status === 404) await this.renew(this.job);
      else this.#said.replaceChildren(error.message);
    }
  }

  // Cancel an export that is being built, or delete a file.
  /** @param {Api.Export} made */
  async #remove(made) {
    if (!isOpen(made) && !confirm(`Delete the file ${made.file_name}? The results stay.`)) return;
    try {
      await remove(`/v1/exports/${made.id}`);
      this.#told.replaceChildren(isOpen(made) ? "The export is cancelled." : "The file is deleted.");
      await this.renew(this.job);
    } catch (error) {
      this.#said.replaceChildren(error.message);
    }
  }
}

// Show the exports of the job's runs, and the formats for more. Returns a function that shows them again.
/** @type {(section: HTMLElement, job: Api.Job) => Promise<(now: Api.Job) => Promise<void>>} */
export async function showExports(section, job) {
  /** @type {Api.ExportFormats} */
  const formats = await get("/v1/export-formats");
  const shown = new ExportsSection(section, job, formats);
  await shown.renew(job);
  return (now) => shown.renew(now);
}
