"""Upload of images in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from samfleet.client.routes import datasets
from samfleet.client.steps import Steps, ask

BATCH_FILES = 32
BATCH_BYTES = 32 * 2**20  # small enough that the progress bar moves on a slow connection


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image to upload under a name: a file, or its bytes."""

    name: str
    content: Path | bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """`total_files` is None if the images come from an iterator."""

    files: int
    total_files: int | None


def uploaded(
    dataset_id: str, images: Iterable[NamedImage], total: int | None, on_progress: Callable[[UploadProgress], None]
) -> Steps[int]:
    """Upload images to an open dataset. Returns their number. Only one batch is in memory."""
    sent = 0
    on_progress(UploadProgress(0, total))
    for batch in _batches(images):
        yield from ask(datasets.upload_images(dataset_id, [(image.name, image.content) for image in batch]))
        sent += len(batch)
        on_progress(UploadProgress(sent, total))
    return sent


def _batches(images: Iterable[NamedImage]) -> Iterator[list[NamedImage]]:
    batch: list[NamedImage] = []
    size = 0
    for image in images:
        if batch and (len(batch) == BATCH_FILES or size + image.size_bytes > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(image)
        size += image.size_bytes
    if batch:
        yield batch
