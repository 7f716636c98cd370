// Client of the API, authenticated by this browser's session cookie. Without a session it redirects to the login page,
// which returns to the page that was requested.

let csrfToken = "";

class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} detail
   */
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
    /** @type {Api.FieldError[]} */
    this.errors = [];
  }
}

export async function readSession() {
  /** @type {Api.SessionView} */
  const session = await get("/dashboard/session");
  csrfToken = session.csrf_token;
  return session;
}

/** @type {<Reply>(path: string) => Promise<Reply>} */
export const get = (path) => send("GET", path);
/** @type {(path: string, body?: unknown) => Promise<unknown>} */
export const post = (path, body) => send("POST", path, body);
/** @type {(path: string, body: unknown) => Promise<unknown>} */
export const patch = (path, body) => send("PATCH", path, body);
/** @type {(path: string, body: unknown) => Promise<unknown>} */
export const put = (path, body) => send("PUT", path, body);
/** @type {(path: string) => Promise<unknown>} */
export const remove = (path) => send("DELETE", path);

/** @type {(method: string, path: string, body?: unknown) => Promise<any>} */
async function send(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { "X-CSRF-Token": csrfToken };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Refused(0, "unreachable", "The API does not respond. Is it running, and is this machine online?");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  /** @type {Pick<Api.Problem, "code" | "detail" | "errors">} */
  const problem = await answer
    .json()
    .catch(() => ({ code: "unknown", detail: `The API returned status ${answer.status}.` }));
  if (answer.status === 401 && location.pathname !== "/dashboard/login") goToLogin();
  throw refusal(answer.status, problem);
}

// The error of a refused request; `errors` are those of its fields.
/** @type {(status: number, problem: Pick<Api.Problem, "code" | "detail" | "errors">) => Refused} */
export function refusal(status, { code, detail, errors }) {
  return Object.assign(new Refused(status, code, detail), { errors: errors ?? [] });
}

// For requests that other modules send.
export const csrfHeader = () => ({ "X-CSRF-Token": csrfToken });

function goToLogin() {
  location.assign(`/dashboard/login?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** @typedef {{ add: (line: Api.LogLine) => void, last: () => number }} Log */

// Call `show` with the job immediately and after each change, until the job ends, and add the lines of its log that
// come after the last one. Returns a function that stops this.
/** @type {(id: string, show: (job: Api.Job) => void, log?: Log) => () => void} */
export function followJob(id, show, log) {
  const source = new EventSource(`/v1/jobs/${id}/events${log ? `?log=${log.last()}` : ""}`);
  source.addEventListener("log", (event) => log?.add(JSON.parse(event.data)));
  source.addEventListener("job", (event) => {
    /** @type {Api.Job} */
    const job = JSON.parse(event.data);
    if (hasEnded(job)) source.close();
    show(job);
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) readSession().catch(() => undefined); // the session ended: this redirects to the login
  });
  return () => source.close();
}

/** @param {{ state: string }} job */
export const hasEnded = (job) => ["completed", "completed_with_errors", "failed", "cancelled"].includes(job.state);

// The filters of a page are the query parameters of its URL. `filter` reads one; `addressWith` returns the URL with changes.
/** @param {string} name */
export const filter = (name, otherwise = "") => new URLSearchParams(location.search).get(name) ?? otherwise;

/** @param {Record<string, string | false | null | undefined>} changes */
export function addressWith(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  return location.pathname + (query.size ? `?${query}` : "");
}
