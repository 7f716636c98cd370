"""The demo's page in a real Chromium: wide and narrow, light and dark."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest
from PIL import Image

from samfleet.wire.stages import STAGES
from samfleet_cli.jobs.demo import PHOTOGRAPHS, copy_photographs
from samfleet_cli.jobs.gallery import Gallery, GalleryImage, render_gallery

pytestmark = pytest.mark.browser

PHONE, DESKTOP = 390, 1280  # CSS pixels
LIGHT_PAGE, DARK_PAGE = (0xF6, 0xF7, 0xF9), (0x0E, 0x11, 0x16)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The demo's page with photographs for overlays; a long name without a break point is the worst case on a phone."""
    images = []
    for path in copy_photographs(tmp_path / "images"):
        with Image.open(path) as photograph:
            encoded = io.BytesIO()
            photograph.convert("RGB").save(encoded, "PNG")
            images.append(
                GalleryImage(
                    file_name=path.name.replace("astronaut", "astronaut" * 12),
                    original=f"images/{path.name}",
                    width=photograph.width,
                    height=photograph.height,
                    masks=42,
                    overlay=encoded.getvalue(),
                    overlay_file=f"images/{path.name}",
                    credit=PHOTOGRAPHS[path.name],
                    stages=dict.fromkeys(STAGES, 1234.5),
                )
            )
    images.append(GalleryImage("broken.jpg", "images/broken.jpg", 0, 0, 0, error="the file is cut off"))
    times = dict.fromkeys(("mean_ms", "p50_ms", "p90_ms", "p99_ms"), 12345.6)
    run = {
        "variant": "mobile_sam",
        "pool": "local",
        "hardware": [{"device_name": "Some Processor @ 2.00GHz"}],
        "failed": 1,
        "images_per_second": 0.25,
        "stages": dict.fromkeys(STAGES, times),
    }
    gallery = Gallery("Photographs", "0" * 36, run, images, [("summary.json", "counts, rate, stage times, errors")])
    target = tmp_path / "index.html"
    target.write_text(render_gallery(gallery), encoding="utf-8")
    return target


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_all_pictures_are_shown_and_nothing_overflows(page: Path, width: int) -> None:
    measured = measure(page, width)
    assert measured["pictures"] == len(PHOTOGRAPHS)
    assert measured["shown"] == len(PHOTOGRAPHS)
    assert measured["scrollWidth"] == width


@pytest.mark.parametrize(("dark", "colour"), [(False, LIGHT_PAGE), (True, DARK_PAGE)])
def test_the_page_follows_the_colour_scheme_of_the_browser(
    page: Path, dark: bool, colour: tuple[int, int, int]
) -> None:
    screenshot = page.with_suffix(".png")
    chromium(
        f"--window-size={DESKTOP},900",
        f"--screenshot={screenshot}",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        page.as_uri(),
    )
    with Image.open(screenshot) as image:
        assert image.size == (DESKTOP, 900)
        assert image.convert("RGB").getpixel((2, 2)) == colour
        assert len(image.convert("RGB").getcolors(image.width * image.height) or ()) > 10_000  # with photographs


def measure(page: Path, width: int) -> dict[str, int]:
    """Measure the page in a frame of any width, because Chromium's windows are at least 500 pixels wide."""
    script = """
        const frame = document.querySelector("iframe");
        frame.onload = () => {
            const inner = frame.contentDocument, pictures = [...inner.images];
            pictures.forEach(picture => { picture.loading = "eager"; });
            const waiting = setInterval(() => {
                if (!pictures.every(picture => picture.complete)) return;
                clearInterval(waiting);
                document.querySelector("pre").textContent = JSON.stringify({
                    scrollWidth: inner.documentElement.scrollWidth,
                    pictures: pictures.length,
                    shown: pictures.filter(picture => picture.naturalWidth > 0).length,
                });
            }, 50);
        };
        frame.src = frame.dataset.source;
    """
    frame = page.with_name("frame.html")
    frame.write_text(
        f'<pre></pre><iframe data-source="{escape(page.as_uri())}" style="border:0;width:{width}px;height:900px">'
        f"</iframe><script>{script}</script>"
    )
    dumped = chromium("--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom", frame.as_uri())
    found: dict[str, int] = json.loads(dumped.partition("<pre>")[2].partition("</pre>")[0])
    return found


def chromium(*arguments: str) -> str:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs chromium on PATH: apt-get install chromium")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses to run as root
    command = [program, "--headless", "--disable-gpu", "--hide-scrollbars", *as_root, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return finished.stdout
