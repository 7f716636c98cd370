"""Runs the measurement and writes its result; `benchmarks.dashboard` describes it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize, sync_playwright

from benchmarks.dashboard.browser import MeasuredPage, measure
from benchmarks.dashboard.rows import Loaded, load
from benchmarks.environment import circumstances
from benchmarks.fleet.database import temporary_server
from benchmarks.running_api import Api, running_api
from samfleet.db.session import connect
from samfleet.storage.file_store import FileStore

SIZE: ViewportSize = {"width": 1280, "height": 900}
PATIENCE_MS = 120_000
PAGES = ("job", "gallery", "image")


def pages(loaded: Loaded) -> dict[str, MeasuredPage]:
    job, run = loaded.job_id, loaded.run_id
    return {
        "job": MeasuredPage(f"/dashboard/jobs/{job}", "main:not(:has(.loading)) h1"),
        "gallery": MeasuredPage(f"/dashboard/jobs/{job}/images?run={run}", ".tile"),
        "image": MeasuredPage(
            f"/dashboard/runs/{run}/images/1", ".grid .grid-row[role=row] >> nth=3", ".grid", "picture"
        ),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    chromium = shutil.which("chromium")
    if chromium is None:
        print("This measurement needs chromium on PATH: apt-get install chromium", file=sys.stderr)
        return 2
    result: dict[str, Any] = {"circumstances": circumstances(options.note), "images": options.images}
    result["masks"] = options.masks
    with (
        tempfile.TemporaryDirectory(prefix="samfleet-dashboard-") as name,
        temporary_server(Path(name, "pg")) as server,
    ):
        folder, url = Path(name), server.new_database("dashboard")
        with running_api(url, folder, streams=20) as api, opened(chromium, api) as page:
            result["pages"] = {}
            known = pages(_load(url, folder, options))
            for title, measured in ((title, known[title]) for title in options.only or PAGES):
                result["pages"][title] = measure(page, measured, options.rounds)
                print(title, json.dumps(result["pages"][title]), flush=True)
    result["circumstances"]["load_at_end"] = os.getloadavg()
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    found.add_argument("--images", type=int, default=100_000)
    found.add_argument("--masks", type=int, default=5_000, help="of the first image, which has 12 megapixels")
    found.add_argument("--only", choices=PAGES, action="append", help="measure this page; may be repeated")
    found.add_argument("--rounds", type=int, default=3, help="measurements of 300 frames of a page")
    found.add_argument("--note", default="", help="other work on the machine, for the result")
    found.add_argument("--out", type=Path)
    return found


def _load(url: str, folder: Path, options: argparse.Namespace) -> Loaded:
    pictures = folder / "pictures"
    pictures.mkdir()
    engine = connect(url)
    try:
        return load(engine, FileStore(folder / "store"), pictures, options.images, options.masks)
    finally:
        engine.dispose()


@contextmanager
def opened(chromium: str, api: Api) -> Iterator[Page]:
    """Open a page that has logged in."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(base_url=api.url, viewport=SIZE).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto("/dashboard/login")
        page.get_by_label("API key").fill(api.headers["Authorization"].removeprefix("Bearer "))
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
        yield page
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
