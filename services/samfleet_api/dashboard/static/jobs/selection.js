// The chosen jobs, and the bar with the actions on them.

import { get } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { count } from "/dashboard/static/format.js";
import { filterOf, parametersOf } from "/dashboard/static/jobs/address.js";
import { ACTIONS, askAndAct, inWords } from "/dashboard/static/jobs/bulk.js";

export class Selection {
  /** @type {Set<string>} */
  #ids = new Set();
  /** @type {string[]} ids of the shown jobs */
  #shown = [];
  /** @type {Api.JobCount | null} */
  #matching = null;
  #every = false; // all that match the filters, also those of other pages
  #changed;
  #acted;
  #said = h("span", { role: "status" });
  #problem = h("p", { class: "bad", role: "alert" });
  #all = h("button", { type: "button", class: "as-link", onclick: () => this.#choose(true) });
  #none = h("button", { type: "button", class: "as-link", onclick: () => this.clear() }, "Clear the selection");
  #buttons = ACTIONS.map((action) => {
    const style = action.name === "delete" ? "danger" : null;
    return h("button", { type: "button", class: style, onclick: () => this.#act(action) }, action.text);
  });

  // `changed` shows the choice in the list; `acted` is called after an action.
  /**
   * @param {() => void} changed
   * @param {() => void} acted
   */
  constructor(changed, acted) {
    this.#changed = changed;
    this.#acted = acted;
    const parts = [this.#said, this.#all, this.#none, ...this.#buttons, this.#problem];
    this.element = h("div", { class: "job-actions", role: "region", "aria-label": "Chosen jobs" }, parts);
  }

  /** @param {string} id */
  has(id) {
    return this.#every || this.#ids.has(id);
  }

  /** @type {(ids: string[], on: boolean) => void} */
  set(ids, on) {
    if (this.#every) this.#ids = new Set(this.#shown);
    for (const id of ids) {
      if (on) this.#ids.add(id);
      else this.#ids.delete(id);
    }
    this.#choose(false);
  }

  clear() {
    this.#ids.clear();
    this.#choose(false);
  }

  // Take over the jobs of the page, and the number of all that match.
  /** @type {(matching: Api.JobCount, shown: string[]) => void} */
  counted(matching, shown) {
    this.#matching = matching;
    this.#shown = shown;
    this.#show();
  }

  /** @param {boolean} every */
  #choose(every) {
    this.#every = every;
    this.#show();
  }

  #show() {
    const matching = this.#matching;
    const size = this.#every && matching ? matching.count : this.#ids.size;
    this.#said.replaceChildren(size ? `${inWords(size)} selected` : "No job selected");
    for (const button of this.#buttons) button.disabled = !size;
    this.#none.hidden = !size;
    this.#all.hidden = this.#every || !size || !matching?.is_exact || matching.count <= size;
    this.#all.replaceChildren(`Select all ${count(matching?.count ?? 0)} that match`);
    this.#problem.replaceChildren();
    this.#changed();
  }

  /** @param {typeof ACTIONS[number]} action */
  async #act(action) {
    try {
      const chosen = this.#every ? await everyMatch() : { ids: [...this.#ids] };
      await askAndAct(action, chosen, () => {
        this.clear();
        this.#acted();
      });
    } catch (error) {
      this.#problem.replaceChildren(error.message);
    }
  }
}

// The filter of the address with the number of jobs that match now.
async function everyMatch() {
  /** @type {Api.JobCount} */
  const found = await get(`/v1/job-count?${parametersOf({ paged: false })}`);
  if (!found.count) throw new Error("No job matches any more.");
  return { filter: filterOf(), most: found.count };
}
