// Audits pages with Lighthouse in one Chromium. Reads {chromium, cookie, pages: {name: url}} as JSON from stdin and
// writes {name: {category: {score, failed: [text]}}} to stdout.

import { text } from "node:stream/consumers";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const CATEGORIES = ["accessibility", "best-practices"];
const FLAGS = ["--headless=new", "--no-sandbox"];

// Return the score of a category from 0 to 100, and each audit that lowers it with the elements that it names.
function resultOf(report, category) {
  const { score, auditRefs } = report.categories[category];
  const failed = auditRefs
    .filter(({ id, weight }) => weight && report.audits[id].score !== null && report.audits[id].score < 1)
    .map(({ id }) => report.audits[id])
    .map(({ title, details }) => [title, ...(details?.items ?? []).map(elementOf)].filter(Boolean).join(" | "));
  return { score: Math.round(100 * score), failed };
}

const elementOf = (item) => item.node?.snippet ?? item.description ?? item.url ?? "";

async function audit(chrome, cookie, url) {
  const { lhr } = await lighthouse(
    url,
    { port: chrome.port, extraHeaders: { Cookie: cookie }, onlyCategories: CATEGORIES, logLevel: "error" },
    desktopConfig,
  );
  if (lhr.runtimeError) throw new Error(`${url}: ${lhr.runtimeError.message}`);
  return Object.fromEntries(CATEGORIES.map((category) => [category, resultOf(lhr, category)]));
}

const { chromium, cookie, pages } = JSON.parse(await text(process.stdin));
const chrome = await launch({ chromePath: chromium, chromeFlags: FLAGS });
const results = {};
try {
  for (const [name, url] of Object.entries(pages)) results[name] = await audit(chrome, cookie, url);
} finally {
  chrome.kill();
}
process.stdout.write(JSON.stringify(results));
