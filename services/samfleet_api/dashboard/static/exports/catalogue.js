// A card per format: what it is for, the size that its file would have, and a button that builds it. Formats are grouped
// by purpose; the sizes of an open group are asked for when it is seen.

import { post } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";
import { bytes } from "/dashboard/static/format.js";
import { grouped, titleOf } from "/dashboard/static/exports/formats.js";

/** @param {Api.ExportEstimate} estimate */
function inWords({ bytes: size, exact, sampled, images }) {
  if (size === null) return ["Size known when it is built", "The format shows images, or may not hold all masks."];
  if (exact) return [`Exactly ${bytes(size)}`, "The size of the file, byte for byte."];
  return [`About ${bytes(size)}`, `Estimated from ${sampled} of ${images} images.`];
}

// The part of a description after the format's name, as a sentence.
/** @param {string} description */
function purposeOf(description) {
  const text = description.slice(description.indexOf(": ") + 1).trim();
  return text[0].toUpperCase() + text.slice(1).replaceAll("`", "");
}

export class Catalogue {
  /** @type {Map<string, HTMLElement>} */
  #sizes = new Map();
  /** @type {Set<string>} */
  #known = new Set(); // formats whose size is shown
  #turn = 0; // of the estimates; those of an earlier choice are left out
  #isSeen = false;

  /**
   * @param {Api.FormatHelp[]} formats
   * @param {Exports.Request} request
   * @param {(format: string) => Promise<string>} build requests the file and says what happened
   */
  constructor(formats, request, build) {
    this.formats = formats;
    this.request = request;
    this.build = build;
    const groups = grouped(formats).map(([purpose, items], index) => this.#group(purpose, items, index === 0));
    this.element = h("div", {}, groups);
    const seen = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      seen.disconnect();
      this.#isSeen = true;
      this.#estimate();
    });
    seen.observe(this.element);
  }

  // The run or the options have changed: all sizes are others.
  renew() {
    this.#known.clear();
    for (const size of this.#sizes.values()) size.replaceChildren("…");
    this.#estimate();
  }

  // Ask for the sizes that are missing in open groups, one after the other.
  async #estimate() {
    this.#turn += 1;
    const turn = this.#turn;
    if (!this.#isSeen) return;
    for (const [format, size] of this.#sizes) {
      if (this.#known.has(format) || !size.closest("details")?.open) continue;
      const [text, title] = await this.#sizeOf(format);
      if (turn !== this.#turn) return;
      this.#known.add(format);
      size.replaceChildren(text);
      size.title = title;
    }
  }

  /** @type {(format: string) => Promise<string[]>} */
  async #sizeOf(format) {
    const { run, options } = this.request(format);
    try {
      const found = await post(`/v1/runs/${run}/exports/estimate`, { format, options });
      return inWords(/** @type {Api.ExportEstimate} */ (found));
    } catch (error) {
      return [error.message, error.message];
    }
  }

  /** @type {(purpose: string, items: Api.FormatHelp[], open: boolean) => HTMLElement} */
  #group(purpose, items, open) {
    const titles = items.map((one) => titleOf(one.name)).join(", ");
    return h(
      "details",
      { open, class: "purpose", ontoggle: () => this.#estimate() },
      h("summary", {}, h("strong", {}, purpose), h("span", { class: "soft" }, ` ${titles}`)),
      h(
        "ul",
        { class: "formats" },
        items.map((one) => this.#card(one)),
      ),
    );
  }

  /** @param {Api.FormatHelp} form */
  #card({ name, description, extension }) {
    const size = h("span", { class: "size" }, "…");
    this.#sizes.set(name, size);
    /** @type {HTMLButtonElement} */
    const button = h(
      "button",
      {
        type: "button",
        "aria-label": `Export ${titleOf(name)}`,
        onclick: async () => {
          button.disabled = true;
          size.replaceChildren(await this.build(name));
          button.disabled = false;
        },
      },
      "Export",
    );
    return h(
      "li",
      { class: "card", "data-format": name },
      h("div", { class: "head" }, h("h3", {}, titleOf(name)), h("code", { class: "soft" }, `.${extension}`)),
      h("p", { class: "soft" }, purposeOf(description)),
      h("div", { class: "head" }, size, button),
    );
  }
}
