"""Self-contained HTML page of overlays, without scripts, fonts or a server.

Overlays are embedded, so the page can be shared; links point to the files next to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from samfleet.pages import data_url, render_page
from samfleet.wire.stages import STAGES
from samfleet_cli.jobs.result_files import hardware_of, stages_note


@dataclass(frozen=True, slots=True)
class GalleryImage:
    """One image. `overlay` is a PNG, or None if the image failed with `error`. `original` and `overlay_file` are paths
    relative to the page; `stages` are in milliseconds.
    """

    file_name: str
    original: str
    width: int
    height: int
    masks: int
    overlay: bytes | None = None
    overlay_file: str = ""
    credit: str = ""
    stages: Mapping[str, float] = field(default_factory=dict)
    error: str = ""

    @property
    def overlay_url(self) -> str:
        return data_url(self.overlay or b"", "image/png")

    @property
    def facts(self) -> str:
        """Return masks, size and processing time in words."""
        work = sum(time for name, time in self.stages.items() if name != "queue")
        size = f"{self.masks_in_words('mask')} · {self.width} x {self.height} pixels"
        return size + (f" · {work / 1000:.2f} s processing time" if work else "")

    @property
    def times(self) -> str:
        return " · ".join(f"{name} {self.stages[name]:.0f} ms" for name in STAGES if self.stages.get(name))

    def masks_in_words(self, noun: str) -> str:
        return _plural(self.masks, noun)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Contents of the page. `run` is a run of `summary.json`; `links` are (path relative to the page, description)."""

    title: str
    job_id: str
    run: Mapping[str, Any]
    images: Sequence[GalleryImage]
    links: Sequence[tuple[str, str]]


def render_gallery(gallery: Gallery) -> str:
    run = gallery.run
    hardware = hardware_of(run) or "unknown hardware"
    masks = sum(image.masks for image in gallery.images)
    rate = f", {run['images_per_second']:.3g} images per second" if run["images_per_second"] else ""
    failed = f", {run['failed']} failed" if run["failed"] else ""
    return render_page(
        "samfleet_cli",
        "gallery.html",
        "gallery.css",
        title=gallery.title,
        counts=f"{_plural(len(gallery.images), 'photograph')}, {_plural(masks, 'mask')}{failed}{rate}",
        about=f"{run['variant']} on {hardware}, pool {run['pool']}, job {gallery.job_id}",
        images=gallery.images,
        stages=[(name, run["stages"][name]) for name in STAGES if name in run["stages"]],
        note=stages_note(run),
        links=gallery.links,
    )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
