"""Creation of datasets: from a folder at once, or open for uploads until they are sealed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Self

from sqlalchemy.orm import Session

from samfleet.config import Settings
from samfleet.datasets import repository
from samfleet.datasets.annotate import write_annotations
from samfleet.datasets.annotation_entries import AnnotationLimits, AnnotationsNotFound, AnnotationsTooLarge
from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.detections import Detections, DetectionsNotFound, DetectionsTooLarge, read_detections
from samfleet.datasets.directory import ListingLimits, list_images, resolve_allowed
from samfleet.datasets.left_out import LeftOut
from samfleet.datasets.matching import assign_image_ids
from samfleet.datasets.repository import NewImage
from samfleet.db.models import Dataset, DatasetSource, DatasetState
from samfleet.errors import NotFound, SamfleetError, TooLarge
from samfleet.regular_files import limited, open_resolved

MAX_NAME_LENGTH = 200


class DatasetNotFound(NotFound):
    """The dataset does not exist."""

    code = "dataset_not_found"


class DatasetTooLarge(TooLarge):
    """The dataset has more images or bytes than this server accepts; make several."""

    code = "dataset_too_large"


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Limits of a dataset: `images` and `total_bytes` of all its images, `file_bytes` of an annotations file."""

    listing: ListingLimits = field(default_factory=ListingLimits)
    annotations: AnnotationLimits = field(default_factory=AnnotationLimits)
    images: int = 1_000_000
    total_bytes: int = 2**40
    file_bytes: int = 2 * 2**30

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            ListingLimits(
                settings.max_listing_depth, settings.max_listing_entries, settings.listing_time.total_seconds()
            ),
            AnnotationLimits(
                settings.max_pixels,
                settings.max_annotations,
                settings.max_objects_per_image,
                settings.max_annotation_bytes_per_image,
            ),
            settings.max_dataset_images,
            settings.max_dataset_bytes,
            settings.max_annotations_bytes,
        )


@dataclass(frozen=True, slots=True)
class DirectoryListing:
    """Contents of a directory dataset before the database is touched.

    Annotations are many, so they are read and validated while their rows are written.
    """

    directory: str
    images: tuple[NewImage, ...]
    image_ids: tuple[int, ...]
    annotations: CocoInstances | None
    detections: Detections | None
    limited: bool = False  # the folder may have more images
    left_out: tuple[LeftOut, ...] = ()


def list_directory(
    directory: str,
    *,
    annotations_path: str | None,
    detections_path: str | None = None,
    limit: int | None,
    roots: Sequence[Path],
    limits: InputLimits,
    include_hidden: bool = False,
) -> DirectoryListing:
    """List the folder and read the annotations and detections files; all must be under the allowed roots.

    With a `limit`, detections may belong to images beyond it: to any image of the annotations file or, without that
    file, to any image.
    """
    listing = list_images(directory, roots, limit, limits.listing, with_hidden=include_hidden)
    found = listing.images
    if len(found) > limits.images:
        raise DatasetTooLarge(
            f"{directory} has {len(found)} images, more than {limits.images} in one dataset; make several, give a "
            "limit, or raise SAMFLEET_MAX_DATASET_IMAGES"
        )
    instances = detections = None
    if annotations_path:
        errors = (AnnotationsNotFound, AnnotationsTooLarge)
        opened = partial(_opened, annotations_path, roots, limits.file_bytes, *errors)
        instances = read_annotations(opened, limits.annotations)
    if detections_path:
        with _opened(detections_path, roots, limits.file_bytes, DetectionsNotFound, DetectionsTooLarge) as file:
            detections = read_detections(file, limits.annotations)
    image_ids = ids_of([image.name for image in found], instances)
    return DirectoryListing(
        directory=directory,
        images=tuple(NewImage(image.name, image.uri, image.size_bytes) for image in found),
        image_ids=tuple(image_ids),
        annotations=instances,
        limited=limit is not None,
        left_out=listing.left_out,
        detections=_of_images(detections, image_ids, instances, limited=limit is not None),
    )


def ids_of(names: Sequence[str], instances: CocoInstances | None) -> list[int]:
    """Return the ids of images in the dataset's order. Raises `AnnotationsInvalid` if the annotations list none."""
    if instances is None:
        return assign_image_ids(names, None)
    image_ids = assign_image_ids(names, instances.image_ids, instances.originals)
    instances.require_any(image_ids)
    return image_ids


def _of_images(
    detections: Detections | None, image_ids: Sequence[int], instances: CocoInstances | None, *, limited: bool
) -> Detections | None:
    if detections is None:
        return None
    others = frozenset(instances.image_ids.values()) if instances else None if limited else frozenset()
    return detections.of_images(frozenset(image_ids), others)


def create_from_directory(
    session: Session,
    tenant_id: uuid.UUID,
    listing: DirectoryListing,
    name: str | None = None,
    *,
    strict_annotations: bool = False,
) -> Dataset:
    """Write a sealed dataset.

    With `strict_annotations`, every image needs annotations and every annotation an image.
    """
    dataset = Dataset(
        tenant_id=tenant_id,
        name=(name or PurePosixPath(listing.directory).name or listing.directory)[:MAX_NAME_LENGTH],
        source=DatasetSource.DIRECTORY,
        directory=listing.directory,
        state=DatasetState.SEALED,
        sealed_at=datetime.now(UTC),
        image_count=len(listing.images),
        left_out=[asdict(one) for one in listing.left_out],
        detection_count=None if listing.detections is None else len(listing.detections),
        categories=None if listing.annotations is None else list(listing.annotations.categories),
    )
    session.add(dataset)
    session.flush()
    sizes = listing.annotations.sizes if listing.annotations else {}
    repository.copy_images(session, dataset.id, listing.images, listing.image_ids, sizes)
    if listing.annotations is not None:
        strictly = {"strict": strict_annotations, "limited": listing.limited}
        write_annotations(session, dataset, listing.annotations, listing.image_ids, **strictly)
    repository.copy_detections(session, dataset.id, listing.detections or ())
    dataset.content_sha256 = repository.content_of(session, dataset.id)
    return dataset


def create_upload(
    session: Session, tenant_id: uuid.UUID, name: str | None = None, left_out: Sequence[LeftOut] = ()
) -> Dataset:
    """Create an open dataset; `left_out` are files that the client skips."""
    dataset = Dataset(
        tenant_id=tenant_id,
        name=name or "upload",
        source=DatasetSource.UPLOAD,
        state=DatasetState.OPEN,
        image_count=0,
        left_out=[asdict(one) for one in left_out],
    )
    session.add(dataset)
    session.flush()
    return dataset


def get_dataset(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset:
    return found(repository.find(session, tenant_id, dataset_id), dataset_id)


def found(dataset: Dataset | None, dataset_id: uuid.UUID) -> Dataset:
    """Return the dataset. Raises `DatasetNotFound`, also for a dataset of another tenant."""
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
        with open_resolved(real) as file:
            size = os.fstat(file.fileno()).st_size
            if size > max_bytes:
                raise too_large(f"{path} has {size} bytes; this server accepts up to {max_bytes}")
            yield limited(file, max_bytes, partial(too_large, f"{path} grew beyond the {max_bytes} bytes accepted"))
    except OSError as error:
        raise not_found(f"{path} cannot be read on the server ({error.strerror}); check the path") from error
