// Filling and sealing of an open dataset, with images or one archive.

import { post } from "/dashboard/static/api.js";
import { bytes, count } from "/dashboard/static/format.js";
import { archiveFormat } from "/dashboard/static/new/files.js";
import { sendBody } from "/dashboard/static/new/request.js";
import { listedDataset, uploadImages } from "/dashboard/static/new/upload.js";
import { imagesOf } from "/dashboard/static/new/words.js";

/** @typedef {import("/dashboard/static/new/files.js").NamedFile} NamedFile */
/** @typedef {import("/dashboard/static/new/files.js").Refusal} Refusal */
/** @typedef {import("/dashboard/static/new/files.js").Sorted} Sorted */
/** @typedef {{ sorted: Sorted, labels: { route: string, file: File }[], format: string, limits: Api.UploadLimits }} Content */
/** @typedef {{ said(text: string): void, done(share: number): void, refused(all: Refusal[]): void }} Show */

// Returns null if no image was accepted; the dataset then stays open.
/** @type {(id: string, content: Content, show: Show, signal: AbortSignal) => Promise<Api.Dataset | null>} */
export async function fillDataset(id, { sorted, labels, format, limits }, show, signal) {
  if (sorted.archive) {
    await putArchive(id, sorted.archive, limits, show, signal);
    return settled(id, show, signal);
  }
  const more = await uploadImages(id, sorted.images, signal, (progress) => {
    show.done(progress.files / Math.max(1, progress.total));
    const had = progress.had ? `, of which the server had ${count(progress.had)}` : "";
    show.said(`${count(progress.files)} of ${count(progress.total)} files${had}; ${bytes(progress.sentBytes)} sent`);
  });
  show.refused([...sorted.refused, ...more]);
  if (more.length === sorted.images.length) {
    show.said("The server took no image; the list says why.");
    return null;
  }
  for (const { route, file } of labels) await putLabels(id, route, file, signal, format);
  await post(`/v1/datasets/${id}/seal`);
  return settled(id, show, signal);
}

/** @type {(id: string, archive: NamedFile, limits: Api.UploadLimits, show: Show, signal: AbortSignal) => Promise<void>} */
async function putArchive(id, { name, file }, limits, show, signal) {
  const query = new URLSearchParams({ format: archiveFormat(name, limits) ?? "zip" });
  await sendBody("PUT", `/v1/datasets/${id}/archive?${query}`, file, {
    headers: { "Content-Type": "application/octet-stream" },
    signal,
    onProgress: (sent) => {
      show.done(sent / file.size);
      show.said(`${bytes(sent)} of ${bytes(file.size)} sent`);
    },
  });
}

/** @type {(id: string, route: string, file: File, signal: AbortSignal, format: string) => Promise<unknown>} */
function putLabels(id, route, file, signal, format) {
  const query = route === "prompts" ? `?${new URLSearchParams({ format })}` : "";
  const type = route === "prompts" ? "application/octet-stream" : "application/json";
  return sendBody("PUT", `/v1/datasets/${id}/${route}${query}`, file, { headers: { "Content-Type": type }, signal });
}

/** @type {(id: string, show: Show, signal: AbortSignal) => Promise<Api.Dataset>} */
async function settled(id, show, signal) {
  const dataset = await listedDataset(
    id,
    (now) => show.said(`The server reads the files: ${imagesOf(now.image_count)}.`),
    signal,
  );
  if (dataset.state === "sealed") return dataset;
  const { message = "The dataset could not be made.", code = dataset.state } = dataset.error ?? {};
  throw Object.assign(new Error(`${message} (${code})`), { code: "dataset_failed" });
}
