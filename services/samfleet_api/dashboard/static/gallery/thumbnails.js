// Loads previews: few at a time, the newest first, and none that was scrolled away.

const AT_ONCE = 6;
const SETTLED_MS = 60; // a tile that is gone sooner loads nothing
const RETRY_MS = 1500; // the server may be busy with other pictures

export function createThumbnails() {
  /** @type {Map<HTMLImageElement, string>} */
  const waiting = new Map();
  /** @type {Map<HTMLImageElement, () => void>} */
  const loading = new Map();
  /** @type {WeakSet<HTMLImageElement>} */
  const retried = new WeakSet();
  let timer = 0;

  function start() {
    timer = 0;
    const newest = [...waiting].reverse().slice(0, AT_ONCE - loading.size);
    for (const [picture, source] of newest) {
      waiting.delete(picture);
      load(picture, source);
    }
  }
  function soon() {
    if (!timer) timer = setTimeout(start, SETTLED_MS);
  }
  /** @type {(picture: HTMLImageElement, source: string) => void} */
  function load(picture, source) {
    const ended = new AbortController();
    const stop = () => {
      ended.abort();
      loading.delete(picture);
      if (waiting.size) start();
    };
    loading.set(picture, stop);
    picture.addEventListener("load", stop, { signal: ended.signal });
    picture.addEventListener("error", () => failed(picture, source, stop), { signal: ended.signal });
    picture.src = source;
  }
  /** @type {(picture: HTMLImageElement, source: string, stop: () => void) => void} */
  function failed(picture, source, stop) {
    stop();
    picture.removeAttribute("src");
    if (retried.has(picture)) return void picture.dispatchEvent(new CustomEvent("unavailable"));
    retried.add(picture);
    setTimeout(() => picture.isConnected && show(picture, source), RETRY_MS);
  }
  /** @type {(picture: HTMLImageElement, source: string) => void} */
  function show(picture, source) {
    waiting.set(picture, source);
    soon();
  }
  /** @param {HTMLImageElement} picture */
  function drop(picture) {
    waiting.delete(picture);
    const stop = loading.get(picture);
    if (!stop) return;
    picture.removeAttribute("src"); // ends the request
    stop();
  }
  return { show, drop };
}
