// The URL of a report page holds all of its state. Filters have the names of the API's parameters, so the API request,
// the CSV file and the command that reproduce the report are built from the same query.

const FILTERS = [
  "variant",
  "hardware",
  "stage",
  "batch_size",
  "precision",
  "job",
  "pool",
  "dataset",
  "site",
  "since",
  "until",
  "include_warmup",
];
const OF_STAGES = ["latency", "compare"];
/** @type {Record<string, string>} */
const OPTIONS = { a: "-a", b: "-b" };

export const reportName = () => location.pathname.split("/")[3] ?? "latency";

/** @param {string} name */
export const values = (name) => new URLSearchParams(location.search).getAll(name);
/** @param {string} name */
export const value = (name, otherwise = "") => values(name)[0] ?? otherwise;

// changes: {name: text, list or nothing}
/** @param {Record<string, string | string[] | false | undefined>} changes */
function changed(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, now] of Object.entries(changes)) {
    query.delete(name);
    for (const one of Array.isArray(now) ? now : [now]) if (one) query.append(name, one);
  }
  query.sort();
  return query;
}

/** @param {Record<string, string | string[] | false | undefined>} changes */
export function go(changes) {
  const query = changed(changes);
  history.pushState(null, "", location.pathname + (query.size ? `?${query}` : ""));
}

export const filtersOnly = () =>
  new URLSearchParams([...new URLSearchParams(location.search)].filter(([name]) => FILTERS.includes(name)));

// Return the query for the API: the filters of the URL, overridden by the report's own parameters of the same name.
// Only reports of stage times take `stage` and `batch_size`; throughput and quality are measured for whole images.
/** @type {(report: string, own: [string, string][]) => URLSearchParams} */
export function asked(report, own) {
  const query = filtersOnly();
  if (!OF_STAGES.includes(report)) for (const name of ["stage", "batch_size"]) query.delete(name);
  for (const [name] of own) query.delete(name);
  for (const [name, one] of own) query.append(name, one);
  return query;
}

/** @type {(report: string, query: URLSearchParams) => string} */
export const requestOf = (report, query) => `/v1/reports/${report}${query.size ? `?${query}` : ""}`;

/** @type {(report: string, query: URLSearchParams) => string} */
export function csvOf(report, query) {
  const wanted = new URLSearchParams(query);
  wanted.append("format", "csv");
  return requestOf(report, wanted);
}

/** @type {(report: string, query: URLSearchParams) => string} */
export const curlOf = (report, query) =>
  `curl -H "Authorization: Bearer $SAMFLEET_API_KEY" '${location.origin}${requestOf(report, query)}'`;

/** @type {(report: string, query: URLSearchParams) => string} */
export function commandOf(report, query) {
  const words = [...query].flatMap(([name, one]) => {
    if (name === "include_warmup") return one === "true" ? ["--include-warmup"] : [];
    if (["since", "until"].includes(name)) return [`--${name}`, one.replace(/Z$/, "")]; // the command takes times in UTC
    return [
      OPTIONS[name] ?? `--${name.replace("_", "-")}`,
      /^[\w.:+-]+$/.test(one) ? one : `'${one.replaceAll("'", "'\\''")}'`,
    ];
  });
  return ["samfleet report", report, ...words].join(" ");
}
