// Chooses the page by the address. Every page is a function that fills <main>.

import { readSession, remove } from "/dashboard/static/api.js";
import { failure, h, notice } from "/dashboard/static/dom.js";
import { showImage } from "/dashboard/static/pages/image.js";
import { showJob } from "/dashboard/static/pages/job.js";
import { showLogin } from "/dashboard/static/pages/login.js";
import { showOverview } from "/dashboard/static/pages/overview.js";
import { showReports } from "/dashboard/static/pages/reports.js";
import { showVariants } from "/dashboard/static/pages/variants.js";

const PAGES = [
  [/^\/dashboard\/$/, showOverview],
  [/^\/dashboard\/jobs\/([^/]+)$/, showJob],
  [/^\/dashboard\/runs\/([^/]+)\/images\/([^/]+)$/, showImage],
  [/^\/dashboard\/reports(?:\/[^/]+)?$/, showReports],
  [/^\/dashboard\/variants$/, showVariants],
];
const LINKS = [["/dashboard/", "Overview"], ["/dashboard/reports", "Reports"], ["/dashboard/variants", "Variants"]];

const isOf = (path) => location.pathname === path || location.pathname.startsWith(`${path}/`);

function showHeader(session) {
  const link = ([path, text]) => h("a", { href: path, "aria-current": isOf(path) ? "page" : null }, text);
  const leave = h("button", { type: "button", onclick: () => logOut(leave) }, "Log out");
  const bar = h("div", { class: "bar" }, h("span", { class: "brand" }, "samfleet"), h("nav", { "aria-label": "Pages" }, LINKS.map(link)),
    h("span", { class: "soft", title: `Tenant ${session.tenant}` }, session.tenant), leave);
  document.getElementById("header").replaceChildren(bar);
}

async function logOut(button) {
  button.disabled = true;
  await remove("/dashboard/session");
  location.assign("/dashboard/login");
}

async function start() {
  const main = document.getElementById("content");
  try {
    if (location.pathname === "/dashboard/login") return showLogin(main);
    showHeader(await readSession());
    for (const [pattern, show] of PAGES) {
      const match = pattern.exec(location.pathname);
      if (match) return await show(main, ...match.slice(1));
    }
    main.replaceChildren(notice("There is no such page", location.pathname));
  } catch (error) {
    if (error.status !== 401) main.replaceChildren(failure(error));
  }
}

start();
