// Entry point: choose the page by the URL and load only its script. Each page exports a function `show` that fills <main>.

import { readSession, remove } from "/dashboard/static/api.js";
import { failure, h, notice } from "/dashboard/static/dom.js";
import { loadStages } from "/dashboard/static/stages.js";

const PAGES = [
  [/^\/dashboard\/$/, "overview"],
  [/^\/dashboard\/jobs\/([^/]+)$/, "job"],
  [/^\/dashboard\/runs\/([^/]+)\/images\/([^/]+)$/, "image"],
  [/^\/dashboard\/reports(?:\/[^/]+)?$/, "reports"],
  [/^\/dashboard\/variants$/, "variants"],
];
const LINKS = [
  ["/dashboard/", "Overview"],
  ["/dashboard/reports", "Reports"],
  ["/dashboard/variants", "Variants"],
];

const isOf = (path) => location.pathname === path || location.pathname.startsWith(`${path}/`);

function showHeader(session) {
  const link = ([path, text]) => h("a", { href: path, "aria-current": isOf(path) ? "page" : null }, text);
  const leave = h("button", { type: "button", onclick: () => logOut(leave) }, "Log out");
  const bar = h(
    "div",
    { class: "bar" },
    h("span", { class: "brand" }, "samfleet"),
    h("nav", { "aria-label": "Pages" }, LINKS.map(link)),
    h("span", { class: "soft", title: `Tenant ${session.tenant}` }, session.tenant),
    leave,
  );
  document.getElementById("header").replaceChildren(bar);
}

async function logOut(button) {
  button.disabled = true;
  await remove("/dashboard/session");
  location.assign("/dashboard/login");
}

const page = (name) => import(`/dashboard/static/pages/${name}.js`);

async function start() {
  const main = document.getElementById("content");
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
