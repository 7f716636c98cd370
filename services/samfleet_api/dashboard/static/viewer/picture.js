// The picture under the masks: a small one first, and more pixels as the screen and the zoom need them.

const SIDES = [1024, 2048]; // pixels; the first is enough for most screens, and a fraction of the server's work

class PictureFailed extends Error {}

/** @type {(path: string) => Promise<ImageBitmap>} */
async function load(path) {
  const answer = await fetch(path).catch(() => null);
  if (!answer) throw new PictureFailed("The API does not respond.");
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({ detail: `The API returned status ${answer.status}.` }));
    throw new PictureFailed(problem.detail);
  }
  try {
    return await createImageBitmap(await answer.blob());
  } catch {
    throw new PictureFailed("This browser cannot decode the picture.");
  }
}

/** @type {(runId: string, imageId: string) => string} */
const pathOf = (runId, imageId) => `/v1/runs/${runId}/images/${imageId}/picture`;

// Request the picture, which takes the server longest, before anything else of the page is known.
/** @type {(runId: string, imageId: string) => Promise<ImageBitmap | PictureFailed>} */
export const requestPicture = (runId, imageId) =>
  load(`${pathOf(runId, imageId)}?max_side=${SIDES[0]}`).catch((error) => {
    if (error instanceof PictureFailed) return error;
    throw error;
  });

// Show the picture in the view when it comes, with its detail when needed. Returns what failed, or null.
/** @type {(view: Viewer.View, image: Api.RunImage, coming: ReturnType<typeof requestPicture>) => Promise<string | null>} */
export async function showPicture(view, image, coming) {
  if (image.width && image.height) view.setPicture(null, image.width, image.height);
  const first = await coming;
  if (first instanceof PictureFailed) return first.message;
  const width = image.width ?? first.width,
    height = image.height ?? first.height;
  view.setPicture(first, width, height);
  performance.mark("picture"); // drawn in the next frame
  addDetail(view, pathOf(image.run_id, String(image.image_id)), first, { width, height });
  return null;
}

// Load a larger picture whenever the view shows more pixels than the present one has; the last is the server's largest.
/** @type {(view: Viewer.View, path: string, first: ImageBitmap, size: Viewer.Size) => void} */
function addDetail(view, path, first, { width, height }) {
  let shown = first,
    complete = first.width >= width && first.height >= height,
    loading = false;
  const check = async () => {
    const needed = view.frame().scale * devicePixelRatio * width;
    if (!view.element.clientWidth || loading || complete || needed <= shown.width) return;
    loading = true;
    const side = SIDES.find(
      (one) => one > Math.max(shown.width, shown.height) && one >= (needed * Math.max(width, height)) / width,
    );
    try {
      const next = await load(side ? `${path}?max_side=${side}` : path);
      view.setPicture(next, width, height);
      shown.close();
      shown = next;
      complete = !side;
    } catch (error) {
      if (!(error instanceof PictureFailed)) throw error; // the small picture stays; the next zoom tries again
    }
    loading = false;
  };
  view.onFrame(check);
  new ResizeObserver(check).observe(view.element); // also when the view gets its place in the page
}
