// The state of the page is its URL: run (repeated, the first is the reference), reference (`annotations` in place of a
// run), image, against, sort, hide.

export const MOST_RUNS = 4;

/** @param {string} name */
const all = (name) => new URLSearchParams(location.search).getAll(name).filter(Boolean);

export const byAnnotations = () => all("reference")[0] === "annotations";
export const chosenRuns = () => [...new Set(all("run"))].slice(0, MOST_RUNS);

/** @param {Record<string, string | string[] | null>} changes */
export function addressWithAll(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, values] of Object.entries(changes)) {
    query.delete(name);
    for (const one of [values ?? []].flat()) if (one) query.append(name, one);
  }
  return location.pathname + (query.size ? `?${query}` : "");
}

/** @type {(changes: Record<string, string | string[] | null>, options?: { replace?: boolean }) => void} */
export function go(changes, { replace = false } = {}) {
  const address = addressWithAll(changes);
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}
