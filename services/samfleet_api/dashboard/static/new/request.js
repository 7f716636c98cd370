// Requests that send files: XMLHttpRequest reports the progress of an upload, which fetch cannot.

import { csrfHeader, refusal } from "/dashboard/static/api.js";

/**
 * @typedef {object} Sending
 * @property {Record<string, string>} [headers]
 * @property {(sentBytes: number) => void} [onProgress]
 * @property {AbortSignal} [signal] aborts the request; it then fails with the code "aborted"
 */

/** @type {(method: string, path: string, body: XMLHttpRequestBodyInit | null, sending?: Sending) => Promise<any>} */
export function sendBody(method, path, body, { headers = {}, onProgress, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const failed = (/** @type {string} */ code, /** @type {string} */ detail) => reject(refusal(0, { code, detail }));
    request.open(method, path);
    for (const [name, value] of Object.entries({ ...csrfHeader(), ...headers })) request.setRequestHeader(name, value);
    if (onProgress) request.upload.addEventListener("progress", ({ loaded }) => onProgress(loaded));
    request.addEventListener("load", () => settle(request, resolve, reject));
    request.addEventListener("error", () => failed("unreachable", "The API does not respond."));
    request.addEventListener("abort", () => failed("aborted", "The upload was stopped."));
    signal?.addEventListener("abort", () => request.abort());
    if (signal?.aborted) failed("aborted", "The upload was stopped.");
    else request.send(body);
  });
}

/** @type {(request: XMLHttpRequest, resolve: (reply: unknown) => void, reject: (error: Error) => void) => void} */
function settle(request, resolve, reject) {
  let reply = null;
  try {
    reply = request.responseText ? JSON.parse(request.responseText) : null;
  } catch {
    reply = { code: "unknown", detail: `The API returned status ${request.status}.` };
  }
  if (request.status >= 200 && request.status < 300) resolve(reply);
  else reject(refusal(request.status, reply ?? { code: "unknown", detail: `Status ${request.status}` }));
}

/** @type {(path: string, body: unknown, headers?: Record<string, string>) => Promise<any>} */
export const postJson = (path, body, headers = {}) =>
  sendBody("POST", path, JSON.stringify(body), { headers: { "Content-Type": "application/json", ...headers } });
