// Entry point: choose the page by the URL and load only its script. Each page exports a function `show` that fills <main>.

import { readSession, remove } from "/dashboard/static/api.js";
import { failure, h, notice } from "/dashboard/static/dom.js";
import { loadStages } from "/dashboard/static/stages.js";
import { showUnhandled } from "/dashboard/static/unhandled.js";

/** @type {[RegExp, string][]} */
const PAGES = [
  [/^\/dashboard\/$/, "overview"],
  [/^\/dashboard\/new$/, "new"],
  [/^\/dashboard\/jobs$/, "jobs"],
  [/^\/dashboard\/jobs\/([^/]+)$/, "job"],
  [/^\/dashboard\/jobs\/([^/]+)\/images$/, "images"],
  [/^\/dashboard\/runs\/([^/]+)\/images\/([^/]+)$/, "image"],
  [/^\/dashboard\/reports(?:\/[^/]+)?$/, "reports"],
  [/^\/dashboard\/compare$/, "compare"],
  [/^\/dashboard\/survey$/, "survey"],
  [/^\/dashboard\/variants$/, "variants"],
  [/^\/dashboard\/advise$/, "advise"],
  [/^\/dashboard\/webhooks$/, "webhooks"],
  [/^\/dashboard\/storage$/, "storage"],
];
/** @type {[string, string][]} */
const LINKS = [
  ["/dashboard/", "Overview"],
  ["/dashboard/new", "New job"],
  ["/dashboard/jobs", "Jobs"],
  ["/dashboard/reports", "Reports"],
  ["/dashboard/compare", "Compare"],
  ["/dashboard/survey", "Survey"],
  ["/dashboard/variants", "Variants"],
  ["/dashboard/advise", "Advise"],
  ["/dashboard/webhooks", "Webhooks"],
  ["/dashboard/storage", "Storage"],
];

/** @param {string} path */
const isOf = (path) => location.pathname === path || location.pathname.startsWith(`${path}/`);

/** @param {Api.SessionView} session */
function showHeader(session) {
  /** @param {[string, string]} target */
  const link = ([path, text]) => h("a", { href: path, "aria-current": isOf(path) ? "page" : null }, text);
  /** @type {HTMLButtonElement} */
  const leave = h("button", { type: "button", onclick: () => logOut(leave) }, "Log out");
  const bar = h(
    "div",
    { class: "bar" },
    h("span", { class: "brand" }, "samfleet"),
    h("nav", { "aria-label": "Pages" }, LINKS.map(link)),
    h("span", { class: "soft", title: `Tenant ${session.tenant}` }, session.tenant),
    leave,
  );
  document.getElementById("header")?.replaceChildren(bar);
}

/** @param {HTMLButtonElement} button */
async function logOut(button) {
  button.disabled = true;
  try {
    await remove("/dashboard/session");
    location.assign("/dashboard/login");
  } finally {
    button.disabled = false;
  }
}

/** @type {(name: string) => Promise<{ show(main: HTMLElement, ...parts: string[]): unknown }>} */
const page = (name) => import(`/dashboard/static/pages/${name}.js`);

async function start() {
  const main = /** @type {HTMLElement} */ (document.getElementById("content"));
  showUnhandled(main);
  try {
    if (location.pathname === "/dashboard/login") return (await page("login")).show(main);
    for (const [pattern, name] of PAGES) {
      const match = pattern.exec(location.pathname);
      if (!match) continue;
      const [{ show }, session] = await Promise.all([page(name), readSession(), loadStages()]);
      showHeader(session);
      return await show(main, ...match.slice(1));
    }
    showHeader(await readSession());
    main.replaceChildren(notice("Page not found", location.pathname));
  } catch (error) {
    if (error.status !== 401) main.replaceChildren(failure(error));
  }
}

start();
