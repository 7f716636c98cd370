"""Images of a sweep: a fixed number in a folder, repeated if there are fewer."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from samfleet.client.local_source import Source
from samfleet.datasets.folder_walk import FoundImage
from samfleet.errors import NotFound
from samfleet_cli.jobs.demo import OBJECTS, copy_photographs

WARMUP_IMAGES = 2


class TuneImagesMissing(NotFound):
    """None of the images can be used; name a folder that has some."""

    code = "tune_images_missing"


@dataclass(frozen=True, slots=True)
class SweepImages:
    """Images of each round, and those of the warm-up before it. `digest` identifies their names and sizes."""

    round: Source
    warmup: Source
    digest: str


def prepare_images(folder: Path, images: Path | None, annotations: Path | None, count: int) -> SweepImages:
    """Prepare the images below `folder`. Without `images`, they are photographs of scikit-image.

    With annotations, which name the files, the first `count` images are taken as they are and none is repeated.
    Raises `TuneImagesMissing`, `DatasetEmpty` and `PhotographsMissing`.
    """
    if images is None:
        images = folder / "photographs"
        copy_photographs(images, OBJECTS)
    found = [one for one in Source(images).files().images() if one.fault is None]
    if not found:
        raise TuneImagesMissing(f"{images} has no image with a name that can be stored; name another folder")
    digest = hashlib.sha256(repr([(one.name, one.size_bytes) for one in found[:count]]).encode()).hexdigest()
    if annotations is not None:
        digest = hashlib.sha256(digest.encode() + annotations.read_bytes()).hexdigest()
        given = Source(images, annotations, limit=count, name="tune")
        return SweepImages(given, Source(images, annotations, limit=WARMUP_IMAGES, name="tune warm-up"), digest)
    repeated = folder / "images"
    _link(list(islice(cycle(found), count)), repeated)
    warmup = Source(repeated, limit=WARMUP_IMAGES, name="tune warm-up")
    return SweepImages(Source(repeated, name="tune"), warmup, digest)


def _link(images: list[FoundImage], folder: Path) -> None:
    """Replace the folder by links to the images, or by copies where the file system has no links."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    for number, image in enumerate(images):
        path = folder / f"{number:05}{image.path.suffix.lower()}"
        try:
            os.link(image.path, path)
        except OSError:
            shutil.copyfile(image.path, path)
