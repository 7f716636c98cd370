// The picture under the masks: a smaller one first, and all its pixels when the user zooms in.

const FIRST_SIDE = 2048; // pixels; enough for a screen, and quick to decode

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

// Show the picture in the view, with its detail when needed. Returns what failed, or null.
/** @type {(view: Viewer.View, image: Api.RunImage) => Promise<string | null>} */
export async function showPicture(view, image) {
  const path = `/v1/runs/${image.run_id}/images/${image.image_id}/picture`;
  const longest = Math.max(image.width ?? 0, image.height ?? 0);
  if (image.width && image.height) view.setPicture(null, image.width, image.height);
  try {
    const first = await load(longest > FIRST_SIDE ? `${path}?max_side=${FIRST_SIDE}` : path);
    const width = image.width ?? first.width,
      height = image.height ?? first.height;
    view.setPicture(first, width, height);
    if (longest > FIRST_SIDE) addDetail(view, path, first, width, height);
    return null;
  } catch (error) {
    if (error instanceof PictureFailed) return error.message;
    throw error;
  }
}

/** @type {(view: Viewer.View, path: string, first: ImageBitmap, width: number, height: number) => void} */
function addDetail(view, path, first, width, height) {
  let asked = false;
  const check = async () => {
    const stretched = (view.frame().scale * devicePixelRatio * width) / first.width;
    if (asked || stretched <= 1) return;
    asked = true;
    try {
      view.setPicture(await load(path), width, height);
      first.close();
    } catch (error) {
      if (!(error instanceof PictureFailed)) throw error;
      asked = false; // the small picture stays; the next zoom tries again
    }
  };
  view.onFrame(check);
  check();
}
