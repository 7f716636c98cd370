"""The dashboard's image view in Chromium: opening, panning and filtering thousands of masks of a large image.

    python -m benchmarks.image_view --masks 5000

draws masks of random size and shape over a picture of 4000 x 3000 pixels, without an API. It prints milliseconds until
they are drawn, of the intervals between frames while the view pans, and of the script in each frame.
"""

from __future__ import annotations

import argparse
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright
from pycocotools import mask as coco

import samfleet_api
from benchmarks.environment import circumstances

WIDTH, HEIGHT = 4000, 3000
SMALLEST, LARGEST, LARGEST_OF_SOME = 8, 70, 260  # radii in pixels; every twentieth mask may be large
SIZES = {"ordinary screen": 1, "dense screen": 2}  # device pixels per CSS pixel
VIEW = (850, 640)  # CSS pixels, as on a screen of 1280 x 900

MEASURE = """async ([masks, [width, height], [viewWidth, viewHeight]]) => {
  const { createView } = await import("/static/viewer/view.js");
  const frame = () => new Promise(requestAnimationFrame);
  const place = document.createElement("div");
  Object.assign(place.style, { width: `${viewWidth}px`, height: `${viewHeight}px` });
  document.body.replaceChildren(place);
  const picture = new OffscreenCanvas(width / 2, height / 2);
  const context = picture.getContext("2d");
  context.fillStyle = context.createConicGradient?.(0, width / 4, height / 4) ?? "#888";
  context.fillRect(0, 0, width / 2, height / 2);
  const view = createView({ label: "Benchmark" });
  place.append(view.element);
  view.setPicture(picture.transferToImageBitmap(), width, height);
  const drawn = async (change) => {
    const began = performance.now();
    change();
    while (view.element.ariaBusy) await new Promise((done) => setTimeout(done, 2));
    await frame();
    await frame();
    return performance.now() - began;
  };
  const shown = masks.map((segmentation, index) => ({
    segmentation, shown: true, colour: [(37 * index) % 256, (91 * index) % 256, (53 * index) % 256],
  }));
  const result = { open_ms: await drawn(() => view.setMasks(shown)), filter_ms: [], frames: {} };
  for (let round = 0; round < 5; round++) {
    const half = shown.map((one, at) => ({ ...one, shown: at % 2 === round % 2 }));
    result.filter_ms.push(await drawn(() => view.setMasks(half)));
  }
  await drawn(() => view.setMasks(shown));
  const { layers } = view;
  for (const [name, scale] of [["whole image", view.frame().scale], ["1:1", 1], ["400 %", 4]]) {
    const scripts = [], intervals = [];
    const draw = layers.drawMasks;
    layers.drawMasks = (...drawing) => {
      const began = performance.now();
      draw.apply(layers, drawing);
      scripts.push(performance.now() - began);
    };
    let last = await frame();
    for (let step = 0; step < 180; step++) {
      view.setFrame({ scale, x: width / 2 + 300 * Math.sin(step / 10), y: height / 2 + 200 * Math.cos(step / 10) });
      const now = await frame();
      intervals.push(now - last);
      last = now;
    }
    delete layers.drawMasks;
    result.frames[name] = { intervals: intervals.slice(10), scripts: scripts.slice(10) };
  }
  view.close();
  return result;
}"""


def masks(count: int) -> list[dict[str, Any]]:
    """Return run lengths of stars, most of them small, that cover the image about twice for 5,000 masks."""
    random = np.random.default_rng(1)
    found = []
    for number in range(count):
        most = LARGEST_OF_SOME if number % 20 == 0 else LARGEST
        radius = float(np.exp(random.uniform(np.log(SMALLEST), np.log(most))))
        x, y = random.uniform(0, WIDTH), random.uniform(0, HEIGHT)
        angles = np.linspace(0, 2 * np.pi, 120, endpoint=False)
        reach = radius * (1 + 0.25 * np.sin(5 * angles + number) + 0.05 * np.sin(31 * angles))
        outline = np.stack([x + reach * np.cos(angles), y + reach * np.sin(angles)], axis=1)
        code = coco.frPyObjects([outline.ravel().tolist()], HEIGHT, WIDTH)[0]
        found.append({"size": code["size"], "counts": code["counts"].decode()})
    return found


class _Handler(SimpleHTTPRequestHandler):
    """Serve the dashboard's files below the path that its scripts import from, and an empty page."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/dashboard"))

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    folder = Path(samfleet_api.__file__).parent / "dashboard"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def summary(values: list[float]) -> dict[str, float]:
    p10, p50, p95 = np.percentile(values, [10, 50, 95])
    return {"p10_ms": round(p10, 1), "p50_ms": round(p50, 1), "p95_ms": round(p95, 1)}


def measure(count: int) -> dict[str, Any]:
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("needs chromium on PATH: apt-get install chromium")
    results: dict[str, Any] = {}
    with served() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        results["chromium"] = browser.version
        for name, ratio in SIZES.items():
            context = browser.new_context(viewport={"width": 1280, "height": 900}, device_scale_factor=ratio)
            page = context.new_page()
            page.goto(f"{url}/static/docs.html")
            page.add_style_tag(url=f"{url}/static/viewer.css")
            found = page.evaluate(MEASURE, [masks(count), [WIDTH, HEIGHT], VIEW])
            frames = {zoom: {kind: summary(one[kind]) for kind in one} for zoom, one in found["frames"].items()}
            opened, filtered = round(found["open_ms"]), round(float(np.median(found["filter_ms"])))
            results[name] = {"open_ms": opened, "filter_ms": filtered, "pan": frames}
            context.close()
        browser.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image_view", description=__doc__)
    parser.add_argument("--masks", type=int, default=5000)
    parser.add_argument("--note", default="", help="other work on the machine, for the result")
    options = parser.parse_args()
    before = circumstances(options.note)
    print(json.dumps({"circumstances": before, "masks": options.masks, **measure(options.masks)}, indent=2))


if __name__ == "__main__":
    main()
