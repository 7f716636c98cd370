"""Datasets: made from a folder at once, or open for uploads until they are sealed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.annotations import (
    Annotation,
    AnnotationsNotFound,
    AnnotationsTooLarge,
    CocoInstances,
    read_annotations,
)
from samfleet.datasets.detections import Detections, DetectionsNotFound, DetectionsTooLarge, read_detections
from samfleet.datasets.directory import list_images, resolve_allowed
from samfleet.datasets.matching import assign_image_ids
from samfleet.datasets.repository import NewImage
from samfleet.db.models import Dataset, DatasetSource, DatasetState
from samfleet.errors import NotFound, SamfleetError

MAX_NAME_LENGTH = 200


class DatasetNotFound(NotFound):
    """There is no such dataset."""

    code = "dataset_not_found"


@dataclass(frozen=True, slots=True)
class DirectoryListing:
    """All that a directory dataset will hold, read from the disk and checked, with the database not yet touched."""

    directory: str
    images: tuple[NewImage, ...]
    image_ids: tuple[int, ...]
    annotations: tuple[Annotation, ...] | None
    categories: list[dict[str, Any]] | None
    detections: Detections | None


def list_directory(
    directory: str,
    *,
    annotations_path: str | None,
    detections_path: str | None = None,
    limit: int | None,
    roots: Sequence[Path],
    max_annotations_bytes: int,
) -> DirectoryListing:
    """Reads the folder, and the annotations and detections files, which must lie under the allowed roots too.

    With a `limit`, detections of images that the file of annotations knows, or without one of any, may be beyond it.
    """
    found = list_images(directory, roots, limit)
    instances = detections = None
    if annotations_path:
        with _opened(annotations_path, roots, max_annotations_bytes, AnnotationsNotFound, AnnotationsTooLarge) as file:
            instances = read_annotations(file)
    if detections_path:
        with _opened(detections_path, roots, max_annotations_bytes, DetectionsNotFound, DetectionsTooLarge) as file:
            detections = read_detections(file)
    image_ids = assign_image_ids([image.name for image in found], instances.image_ids if instances else None)
    return DirectoryListing(
        directory=directory,
        images=tuple(NewImage(image.name, image.path.as_uri(), image.size_bytes) for image in found),
        image_ids=tuple(image_ids),
        annotations=tuple(instances.of_images(frozenset(image_ids))) if instances else None,
        categories=list(instances.categories) if instances else None,
        detections=_of_images(detections, image_ids, instances, limited=limit is not None),
    )


def _of_images(
    detections: Detections | None, image_ids: Sequence[int], instances: CocoInstances | None, *, limited: bool
) -> Detections | None:
    if detections is None:
        return None
    others = frozenset(instances.image_ids.values()) if instances else None if limited else frozenset()
    return detections.of_images(frozenset(image_ids), others)


def create_from_directory(
    session: Session, tenant_id: uuid.UUID, listing: DirectoryListing, name: str | None = None
) -> Dataset:
    dataset = Dataset(
        tenant_id=tenant_id,
        name=(name or PurePosixPath(listing.directory).name or listing.directory)[:MAX_NAME_LENGTH],
        source=DatasetSource.DIRECTORY,
        directory=listing.directory,
        state=DatasetState.SEALED,
        sealed_at=datetime.now(UTC),
        image_count=len(listing.images),
        annotation_count=None if listing.annotations is None else len(listing.annotations),
        detection_count=None if listing.detections is None else len(listing.detections),
        categories=listing.categories,
    )
    session.add(dataset)
    session.flush()
    repository.copy_images(session, dataset.id, listing.images, listing.image_ids)
    repository.copy_annotations(session, dataset.id, listing.annotations or ())
    repository.copy_detections(session, dataset.id, listing.detections or ())
    return dataset


def create_upload(session: Session, tenant_id: uuid.UUID, name: str | None = None) -> Dataset:
    dataset = Dataset(
        tenant_id=tenant_id,
        name=name or "upload",
        source=DatasetSource.UPLOAD,
        state=DatasetState.OPEN,
        image_count=0,
    )
    session.add(dataset)
    session.flush()
    return dataset


def get_dataset(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset:
    return found(repository.find(session, tenant_id, dataset_id), dataset_id)


def found(dataset: Dataset | None, dataset_id: uuid.UUID) -> Dataset:
    """Another tenant's dataset is as absent as one that never was."""
    if dataset is None:
        raise DatasetNotFound(f"dataset {dataset_id} does not exist; GET /v1/datasets lists yours")
    return dataset


@contextmanager
def _opened(
    path: str,
    roots: Sequence[Path],
    max_bytes: int,
    not_found: type[SamfleetError],
    too_large: type[SamfleetError],
) -> Iterator[IO[bytes]]:
    real = resolve_allowed(path, roots)
    try:
        size = real.stat().st_size
        if size > max_bytes:
            raise too_large(f"{path} has {size} bytes; this server accepts up to {max_bytes}")
        with real.open("rb") as file:
            yield file
    except OSError as error:
        raise not_found(f"{path} cannot be read on the server ({error.strerror}); check the path") from error
