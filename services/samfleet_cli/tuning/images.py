"""Images of a sweep: a fixed number in a folder, repeated if there are fewer."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """Images of each round, and those of the warm-up before it."""

    round: Source
    warmup: Source


@dataclass(frozen=True, slots=True)
class FoundImages:
    """Images of a sweep where they lie. `count` of them make a round; fewer are repeated, unless they are annotated."""

    folder: Path
    images: Sequence[FoundImage]
    annotations: Path | None
    count: int

    @property
    def digest(self) -> str:
        """Hash of the names and sizes of the images, and of their annotations."""
        digest = hashlib.sha256(repr([(one.name, one.size_bytes) for one in self.images[: self.count]]).encode())
        if self.annotations is not None:
            digest.update(self.annotations.read_bytes())
        return digest.hexdigest()

    def place(self, folder: Path) -> SweepImages:
        """Return the images of a round. Those without annotations are linked into a folder below `folder`."""
        if self.annotations is not None:
            given = Source(self.folder, self.annotations, limit=self.count, name="tune")
            return SweepImages(given, replace(given, limit=WARMUP_IMAGES, name="tune warm-up"))
        repeated = folder / "images"
        _link(list(islice(cycle(self.images), self.count)), repeated)
        given = Source(repeated, name="tune")
        return SweepImages(given, replace(given, limit=WARMUP_IMAGES, name="tune warm-up"))


def find_images(folder: Path, images: Path | None, annotations: Path | None, count: int) -> FoundImages:
    """Find the images. Without `images`, they are photographs of scikit-image, which are copied below `folder`.

    `annotations` names the files of `images`. Raises `TuneImagesMissing`, `DatasetEmpty` and `PhotographsMissing`.
    """
    if images is None:
        images = folder / "photographs"
        if not images.exists():
            copy_photographs(images, OBJECTS)
    found = [one for one in Source(images).files().images() if one.fault is None]
    if not found:
        raise TuneImagesMissing(f"{images} has no image with a name that can be stored; name another folder")
    return FoundImages(images, found, annotations, count)


def _link(images: Sequence[FoundImage], folder: Path) -> None:
    """Fill the folder with links to the images, or with copies where the file system has no links. Files that are there
    stay: datasets of an earlier command refer to them.
    """
    wanted = {f"{number:05}{image.path.suffix.lower()}": image for number, image in enumerate(images)}
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in wanted or path.stat().st_size != wanted[path.name].size_bytes:
            path.unlink()
    for name, image in wanted.items():
        path = folder / name
        if path.exists():
            continue
        try:
            os.link(image.path, path)
        except OSError:
            shutil.copyfile(image.path, path)
