// Upload of images to an open dataset: the server says which bytes it lacks, and only those are sent, in batches of
// bounded size. What fails for the connection is tried again; an upload that stopped continues with the rest.

import { get, post, refusal } from "/dashboard/static/api.js";
import { postJson, sendBody } from "/dashboard/static/new/request.js";

/** @typedef {import("/dashboard/static/new/files.js").NamedFile} NamedFile */
/** @typedef {import("/dashboard/static/new/files.js").Refusal} Refusal */
/**
 * @typedef {object} Progress
 * @property {number} files done, including those that the server had
 * @property {number} total
 * @property {number} sentBytes of the running and finished requests
 * @property {number} had files whose bytes the server had
 */

const BATCH_FILES = 32;
const BATCH_BYTES = 16 * 2 ** 20;
const HASHED = 256; // files of one question; their bytes are read one after another
const PARALLEL = 3;
const TRIES = 5;
const FIRST_WAIT_MS = 1000;

// Send all files. Resolves when each is in the dataset or refused; rejects if the connection is lost for longer than the
// repetitions last, or with the code "aborted". Calling it again with the same files sends the rest.
/** @type {(datasetId: string, files: NamedFile[], signal: AbortSignal, show: (progress: Progress) => void) => Promise<Refusal[]>} */
export async function uploadImages(datasetId, files, signal, show) {
  const progress = { files: 0, total: files.length, sentBytes: 0, had: 0 };
  const report = () => {
    if (!signal.aborted) show(progress);
  };
  /** @type {Refusal[]} */
  const refused = [];
  report();
  for (let start = 0; start < files.length; start += HASHED) {
    const group = files.slice(start, start + HASHED);
    const missing = await missingOf(datasetId, group, signal, refused);
    progress.had += group.length - missing.length;
    progress.files += group.length - missing.length;
    report();
    const batches = batchesOf(missing);
    const sender = async () => {
      for (let batch = batches.shift(); batch; batch = batches.shift()) {
        await sendBatch(datasetId, batch, signal, refused, (bytes) => {
          progress.sentBytes += bytes;
          report();
        });
        progress.files += batch.length;
        report();
      }
    };
    await Promise.all(Array.from({ length: PARALLEL }, sender));
  }
  return refused;
}

// Files that the server has not. Without a secure connection browsers compute no hashes; then all are sent, and the
// server keeps what it has.
/** @type {(datasetId: string, files: NamedFile[], signal: AbortSignal, refused: Refusal[]) => Promise<NamedFile[]>} */
async function missingOf(datasetId, files, signal, refused) {
  if (!globalThis.crypto?.subtle) return files;
  /** @type {Api.ImageHash[]} */
  const hashed = [];
  for (const { name, file } of files) {
    if (signal.aborted) throw refusal(0, { code: "aborted", detail: "The upload was stopped." });
    hashed.push({ name, size_bytes: file.size, sha256: await sha256(file) });
  }
  try {
    /** @type {Api.AddedByHash} */
    const answer = await again(signal, () => postJson(`/v1/datasets/${datasetId}/images/by-hash`, { files: hashed }));
    const missing = new Set(answer.missing);
    return files.filter(({ name }) => missing.has(name));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (files.length === 1) {
      refused.push({ name: files[0].name, code: error.code, detail: error.message });
      return [];
    }
    return files; // one of them cannot be in the dataset: sending tells which
  }
}

/** @param {File} file */
async function sha256(file) {
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {NamedFile[]} files */
function batchesOf(files) {
  /** @type {NamedFile[][]} */
  const batches = [];
  let bytes = 0;
  for (const one of files) {
    const last = batches.at(-1);
    if (!last || last.length === BATCH_FILES || bytes + one.file.size > BATCH_BYTES) {
      batches.push([one]);
      bytes = one.file.size;
    } else {
      last.push(one);
      bytes += one.file.size;
    }
  }
  return batches;
}

// A request adds all its files or none. A refused batch is halved until the refused file stands alone.
/** @type {(datasetId: string, batch: NamedFile[], signal: AbortSignal, refused: Refusal[], sent: (bytes: number) => void) => Promise<void>} */
async function sendBatch(datasetId, batch, signal, refused, sent) {
  try {
    await again(signal, () => sendOnce(datasetId, batch, signal, sent));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (batch.length === 1) {
      refused.push({ name: batch[0].name, code: error.code, detail: error.message });
      return;
    }
    const half = Math.ceil(batch.length / 2);
    await sendBatch(datasetId, batch.slice(0, half), signal, refused, sent);
    await sendBatch(datasetId, batch.slice(half), signal, refused, sent);
  }
}

/** @type {(datasetId: string, batch: NamedFile[], signal: AbortSignal, sent: (bytes: number) => void) => Promise<void>} */
async function sendOnce(datasetId, batch, signal, sent) {
  const form = new FormData();
  for (const { name, file } of batch) form.append("files", file, name);
  let before = 0;
  /** @param {number} bytes */
  const onProgress = (bytes) => {
    sent(bytes - before);
    before = bytes;
  };
  try {
    await sendBody("POST", `/v1/datasets/${datasetId}/images`, form, { signal, onProgress });
  } catch (error) {
    sent(-before);
    throw error;
  }
}

// 4xx but "too many requests": the same request is refused again. 401: the session ended, and another page logs in.
/** @param {Error & { status?: number }} error */
const isRefusal = ({ status = 0 }) =>
  status >= 400 && status < 500 && status !== 429 && status !== 401 && status !== 404;

/** @type {<Reply>(signal: AbortSignal, act: () => Promise<Reply>) => Promise<Reply>} */
async function again(signal, act) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      const passing = error.code === "unreachable" || error.status === 429 || error.status >= 500;
      if (!passing || tries === TRIES || signal.aborted) throw error;
      await pause(FIRST_WAIT_MS * 2 ** (tries - 1), signal);
    }
  }
}

/** @type {(milliseconds: number, signal: AbortSignal) => Promise<void>} */
function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

// `frames` has the fields of the request that choose frames.
/** @type {(name: string | null, frames: Record<string, unknown>) => Promise<Api.Dataset>} */
export const openUpload = async (name, frames) =>
  /** @type {Api.Dataset} */ (await post("/v1/datasets", { source: "upload", ...(name ? { name } : {}), ...frames }));

const LOOK_AGAIN_MS = 1000;

// Call `show` with the dataset until it is no longer being listed.
/** @type {(id: string, show: (dataset: Api.Dataset) => void, signal: AbortSignal) => Promise<Api.Dataset>} */
export async function listedDataset(id, show, signal) {
  for (;;) {
    /** @type {Api.Dataset} */
    const dataset = await get(`/v1/datasets/${id}`);
    show(dataset);
    if (dataset.state !== "listing" || signal.aborted) return dataset;
    await pause(LOOK_AGAIN_MS, signal);
  }
}
