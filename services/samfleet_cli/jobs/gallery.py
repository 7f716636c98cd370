"""Self-contained HTML page of overlays, without scripts, fonts or a server.

Overlays are embedded, so the page can be shared; links point to the files next to it. Every value passes through
`html.escape`, because file names may contain markup.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from string import Template
from typing import Any
from urllib.parse import quote

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
    return _fill(
        "gallery.html",
        title=escape(gallery.title),
        counts=escape(f"{_plural(len(gallery.images), 'photograph')}, {_plural(masks, 'mask')}{failed}{rate}"),
        about=escape(f"{run['variant']} on {hardware}, pool {run['pool']}, job {gallery.job_id}"),
        images="".join(_image(image) for image in gallery.images),
        stages="".join(_stage(name, run["stages"][name]) for name in STAGES if name in run["stages"]),
        note=escape(stages_note(run)),
        files="".join(
            f'<li><a href="{_href(path)}">{escape(path)}</a>: {escape(what)}</li>\n' for path, what in gallery.links
        ),
    )


def _image(image: GalleryImage) -> str:
    facts = f"{_plural(image.masks, 'mask')} · {image.width} x {image.height} pixels"
    if image.overlay is None:
        return _fill("gallery_failure.html", name=escape(image.file_name), error=escape(image.error))
    work = sum(time for name, time in image.stages.items() if name != "queue")
    times = " · ".join(f"{name} {image.stages[name]:.0f} ms" for name in STAGES if image.stages.get(name))
    return _fill(
        "gallery_image.html",
        overlay_data=f"data:image/png;base64,{base64.b64encode(image.overlay).decode()}",
        overlay_href=_href(image.overlay_file),
        original_href=_href(image.original),
        alt=escape(f"{image.file_name} with {_plural(image.masks, 'coloured mask')}"),
        width=str(image.width),
        height=str(image.height),
        name=escape(image.file_name),
        credit=escape(image.credit),
        facts=escape(facts + (f" · {work / 1000:.2f} s processing time" if work else "")),
        times=escape(times),
    )


def _stage(name: str, times: Mapping[str, float]) -> str:
    cells = "".join(f"<td>{times[key]:.1f}</td>" for key in ("mean_ms", "p50_ms", "p90_ms", "p99_ms"))
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>\n'


def _fill(template: str, **values: str) -> str:
    return Template(files("samfleet_cli").joinpath("templates", template).read_text("utf-8")).substitute(values)


def _href(path: str) -> str:
    return escape(quote(path))


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
