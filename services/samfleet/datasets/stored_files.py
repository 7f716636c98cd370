"""Files of a dataset in the store: annotations, detections and prompts, kept until the dataset is sealed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import IO

from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.detections import Detections, read_detections
from samfleet.db.models import Dataset
from samfleet.storage.store import ObjectStore

CHUNK_BYTES = 1 << 20


def keys_of(dataset: Dataset) -> tuple[str | None, ...]:
    """Return the keys of the dataset's files; a file that is replaced gets another one."""
    return dataset.annotations_key, dataset.detections_key, dataset.prompts_key


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An object that is deleted at the end of its block unless `keep` was called."""

    key: str
    size_bytes: int
    undo: ExitStack

    def keep(self) -> None:
        """Keep the object from now on. Call it before the commit: one that fails may have been carried out.

        The walk over all objects deletes it if no row refers to it (`samfleet.jobs.orphans`).
        """
        self.undo.pop_all()


@contextmanager
def stored(store: ObjectStore, prefix: str, content: IO[bytes]) -> Iterator[StoredFile]:
    """Store the content under a new key for the block."""
    content.seek(0)
    key = f"{prefix}/{uuid.uuid4().hex}.json"
    with ExitStack() as undo:
        size = store.put_stream(key, iter(lambda: content.read(CHUNK_BYTES), b""))
        undo.callback(store.delete, key)
        yield StoredFile(key, size, undo)


@contextmanager
def from_start(content: IO[bytes]) -> Iterator[IO[bytes]]:
    content.seek(0)
    yield content


def stored_annotations(store: ObjectStore, key: str | None, limits: AnnotationLimits) -> CocoInstances | None:
    return None if key is None else read_annotations(partial(store.open, key), limits)


def stored_detections(store: ObjectStore, key: str | None, limits: AnnotationLimits) -> Detections | None:
    if key is None:
        return None
    with store.open(key) as file:
        return read_detections(file, limits)
