import { filter, post } from "/dashboard/static/api.js";
import { h } from "/dashboard/static/dom.js";

// Return `next` only if it is a page of this dashboard; anything else would be an open redirect.
/** @param {string} next */
function wayOn(next) {
  const target = new URL(next, location.origin);
  const ours = target.origin === location.origin && target.pathname.startsWith("/dashboard/");
  return ours ? target.pathname + target.search : "/dashboard/";
}

// The token is in the fragment, which browsers never send to a server or in a Referer header.
const linkOf = () => new URLSearchParams(location.hash.slice(1));

/** @param {HTMLElement} main */
export function show(main) {
  document.title = "Log in · samfleet";
  const link = linkOf();
  if (link.has("token")) return showLink(main, link);
  showForm(main);
}

// A button instead of an automatic login: opening another person's link must not log somebody in unawares (login CSRF).
/** @type {(main: HTMLElement, link: URLSearchParams) => void} */
function showLink(main, link) {
  history.replaceState(null, "", location.pathname);
  const button = h("button", { class: "main", type: "button", onclick: logIn }, "Log in");
  async function logIn() {
    button.disabled = true;
    try {
      await post("/dashboard/session/link", { token: link.get("token") });
      location.assign(wayOn(link.get("next") ?? "/dashboard/"));
    } catch (error) {
      showForm(main, error.message);
    }
  }
  const help = h("p", { class: "soft" }, "This link logs this browser in. It works once.");
  main.replaceChildren(h("div", { class: "card login" }, h("h1", {}, "samfleet"), help, button));
  button.focus();
}

/** @type {(main: HTMLElement, message?: string) => void} */
function showForm(main, message = "") {
  const key = h("input", {
    id: "key",
    type: "password",
    autocomplete: "current-password",
    required: true,
    "aria-describedby": "help problem",
  });
  const problem = h("p", { id: "problem", class: "bad", role: "alert" }, message);
  const button = h("button", { class: "main", type: "submit" }, "Log in");
  /** @param {Event} event */
  async function logIn(event) {
    event.preventDefault();
    button.disabled = true;
    problem.replaceChildren();
    try {
      await post("/dashboard/session", { key: key.value });
      location.assign(wayOn(filter("next", "/dashboard/")));
    } catch (error) {
      problem.replaceChildren(error.message);
      button.disabled = false;
      key.focus();
    }
  }
  const help = h(
    "p",
    { id: "help", class: "soft" },
    "Paste an API key. `samfleet up` writes one to .samfleet/api_key; `samfleet open` makes a link that needs none.",
  );
  const form = h("form", { onsubmit: logIn }, h("label", { for: "key" }, "API key", key), problem, button);
  main.replaceChildren(h("div", { class: "card login" }, h("h1", {}, "samfleet"), help, form));
  key.focus();
}
