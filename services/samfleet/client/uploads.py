"""Upload of images: the server says which bytes it lacks, and only those are sent, in several requests at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samfleet.client.routes import datasets
from samfleet.client.steps import Steps, Together, ask
from samfleet.client.values import PIECE_BYTES
from samfleet.regular_files import open_regular

BATCH_FILES = 32
BATCH_BYTES = 32 * 2**20  # small enough that the progress bar moves on a slow connection
ASKED_FILES = 512  # in one request without their bytes
PARALLEL = 4  # requests at a time


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image to upload under a name: a file, or its bytes."""

    name: str
    content: Path | bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """Files that the dataset has; `skipped` of them were not sent, because the server had their bytes.

    `total_files` is None if the images come from an iterator.
    """

    files: int
    total_files: int | None
    skipped: int = 0


class _Tally:
    """Count of an upload. Every change is reported."""

    def __init__(self, total: int | None, on_progress: Callable[[UploadProgress], None]) -> None:
        self.files = self.skipped = 0
        self._total, self._on_progress = total, on_progress
        on_progress(UploadProgress(0, total))

    def add(self, sent: int, skipped: int = 0) -> None:
        self.files += sent + skipped
        self.skipped += skipped
        if sent or skipped:
            self._on_progress(UploadProgress(self.files, self._total, self.skipped))


def uploaded(
    dataset_id: str,
    images: Iterable[NamedImage],
    total: int | None,
    on_progress: Callable[[UploadProgress], None],
    *,
    parallel: int = PARALLEL,
) -> Steps[int]:
    """Add images to an open dataset, by at most `parallel` requests at a time. Returns their number.

    Images that the server has are not sent, so a repetition after an interruption sends the rest. Of images that are no
    files, only one batch is in memory.
    """
    tally = _Tally(total, on_progress)
    for asked in _groups(images, ASKED_FILES, _bytes_in_memory):
        answer = yield from ask(datasets.add_images_by_hash(dataset_id, [_hashed(image) for image in asked]))
        missing = frozenset(answer.missing)
        tally.add(0, len(asked) - len(missing))
        batches = _groups((image for image in asked if image.name in missing), BATCH_FILES, _bytes)
        yield Together((_sent(dataset_id, batch) for batch in batches), parallel, tally.add)
    return tally.files


def _sent(dataset_id: str, batch: list[NamedImage]) -> Steps[int]:
    yield from ask(datasets.upload_images(dataset_id, [(image.name, image.content) for image in batch]))
    return len(batch)


def _hashed(image: NamedImage) -> dict[str, Any]:
    if isinstance(image.content, bytes):
        return _described(image.name, len(image.content), hashlib.sha256(image.content).hexdigest())
    size, digest = 0, hashlib.sha256()
    with open_regular(image.content) as file:
        while piece := file.read(PIECE_BYTES):
            size += len(piece)
            digest.update(piece)
    return _described(image.name, size, digest.hexdigest())


def _described(name: str, size_bytes: int, sha256: str) -> dict[str, Any]:
    return {"name": name, "size_bytes": size_bytes, "sha256": sha256}


def _bytes(image: NamedImage) -> int:
    return image.size_bytes


def _bytes_in_memory(image: NamedImage) -> int:
    return image.size_bytes if isinstance(image.content, bytes) else 0


def _groups(
    images: Iterable[NamedImage], most_files: int, weight: Callable[[NamedImage], int]
) -> Iterator[list[NamedImage]]:
    """Yield lists of at most `most_files` images and `BATCH_BYTES`, unless one image alone is larger."""
    group: list[NamedImage] = []
    size = 0
    for image in images:
        if group and (len(group) == most_files or size + weight(image) > BATCH_BYTES):
            yield group
            group, size = [], 0
        group.append(image)
        size += weight(image)
    if group:
        yield group
