// Files that were dropped or chosen, with their names in the dataset.

/** @typedef {{ name: string, file: File }} NamedFile */
/** @typedef {{ images: NamedFile[], archive: NamedFile | null, refused: Refusal[] }} Sorted */
/** @typedef {{ name: string, code: string, detail: string }} Refusal */

// `folder` is the name of the one folder that was chosen; names are relative to it, as those of `samfleet segment FOLDER`.
/** @typedef {{ files: NamedFile[], folder: string }} Chosen */

/** @type {(dropped: DataTransfer) => Promise<Chosen>} */
export async function droppedFiles(dropped) {
  const entries = [...dropped.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (!entries.length) return { files: [...dropped.files].map((file) => ({ name: file.name, file })), folder: "" };
  const alone = entries.length === 1 && entries[0].isDirectory;
  const found = (await Promise.all(entries.map(filesBelow))).flat();
  if (!alone) return { files: found, folder: "" };
  return { files: found.map(({ name, file }) => ({ name: withoutFolder(name), file })), folder: entries[0].name };
}

/** @type {(chosen: FileList) => Chosen} */
export function chosenFiles(chosen) {
  const files = [...chosen].map((file) => ({ name: withoutFolder(file.webkitRelativePath) || file.name, file }));
  return { files, folder: chosen[0]?.webkitRelativePath.split("/")[0] ?? "" };
}

/** @param {string} path */
const withoutFolder = (path) => path.slice(path.indexOf("/") + 1);

/** @type {(entry: FileSystemEntry) => Promise<NamedFile[]>} */
async function filesBelow(entry) {
  const name = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) return [{ name, file: await fileOf(/** @type {FileSystemFileEntry} */ (entry)) }];
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  /** @type {NamedFile[]} */
  const found = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // about a hundred at a time
    if (!some.length) return found;
    for (const files of await Promise.all(some.map(filesBelow))) for (const one of files) found.push(one);
  }
}

/** @type {(entry: FileSystemFileEntry) => Promise<File>} */
const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

// Sort files into images, or one archive, and those that the server would not take. `frames` is true for a dataset of
// the frames of files, which may be videos.
/** @type {(files: NamedFile[], limits: Api.UploadLimits, frames?: boolean) => Sorted} */
export function sortFiles(files, limits, frames = false) {
  const suffixes = frames ? [...limits.image_suffixes, ...limits.frame_suffixes] : limits.image_suffixes;
  if (files.length === 1 && archiveFormat(files[0].name, limits)) {
    const large = files[0].file.size > limits.max_archive_bytes;
    return { images: [], archive: large ? null : files[0], refused: large ? [tooLarge(files[0], "archive")] : [] };
  }
  /** @type {Sorted} */
  const sorted = { images: [], archive: null, refused: [] };
  for (const one of [...files].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const base = one.name.slice(one.name.lastIndexOf("/") + 1).toLowerCase();
    if (base.startsWith(".")) continue;
    if (!suffixes.some((suffix) => base.endsWith(suffix)))
      sorted.refused.push({ name: one.name, code: "left out", detail: otherFile(one.name, limits) });
    else if (one.file.size > limits.max_image_bytes) sorted.refused.push(tooLarge(one, "image"));
    else sorted.images.push(one);
  }
  return sorted;
}

/** @type {(name: string, limits: Api.UploadLimits) => string | undefined} */
export const archiveFormat = (name, limits) =>
  Object.entries(limits.archive_suffixes).find(([suffix]) => name.toLowerCase().endsWith(suffix))?.[1];

/** @type {(name: string, limits: Api.UploadLimits) => string} */
function otherFile(name, limits) {
  if (archiveFormat(name, limits)) return "an archive; upload it alone";
  return needsFrames(name, limits) ? "a video or animation; choose its frames below" : "not an image, by its suffix";
}

// Videos and other files that are images only with a choice of frames.
/** @type {(name: string, limits: Api.UploadLimits) => boolean} */
export const needsFrames = (name, { image_suffixes: images, frame_suffixes: frames }) => {
  const ends = (/** @type {string} */ suffix) => name.toLowerCase().endsWith(suffix);
  return frames.some(ends) && !images.some(ends);
};

/** @type {(one: NamedFile, what: string) => Refusal} */
const tooLarge = ({ name, file }, what) => ({
  name,
  code: `${what}_too_large`,
  detail: `${file.size.toLocaleString("en")} bytes are more than the server takes`,
});
