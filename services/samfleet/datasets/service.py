"""Datasets: their limits, how to find one, and creation of those that are open for uploads."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from sqlalchemy.orm import Session

from samfleet.config import Settings
from samfleet.datasets import repository
from samfleet.datasets.annotation_entries import AnnotationLimits
from samfleet.datasets.folder_walk import ListingLimits
from samfleet.datasets.frames.limits import FrameLimits
from samfleet.datasets.left_out import LeftOut
from samfleet.db.models import Dataset, DatasetSource, DatasetState
from samfleet.errors import Conflict, NotFound, TooLarge

MAX_NAME_LENGTH = 200


class DatasetNotFound(NotFound):
    """The dataset does not exist."""

    code = "dataset_not_found"


class DatasetTooLarge(TooLarge):
    """The dataset has more images or bytes than this server accepts; make several."""

    code = "dataset_too_large"


class DatasetListing(Conflict):
    """The images of the dataset are still being listed; wait until its state is sealed."""

    code = "dataset_listing"
    retryable = True


class DatasetFailed(Conflict):
    """The images of the dataset could not be listed; create another dataset."""

    code = "dataset_failed"


class DatasetNotSealed(Conflict):
    """The dataset is still open; seal it before it is used in a job."""

    code = "dataset_not_sealed"


@dataclass(frozen=True, slots=True)
class InputLimits:
    """Limits of a dataset: `images` and `total_bytes` of all its images, `image_bytes` of one, `file_bytes` of an
    annotations or manifest file, `archive_bytes` of an archive, `frames` of files that have several.
    """

    listing: ListingLimits = field(default_factory=ListingLimits)
    annotations: AnnotationLimits = field(default_factory=AnnotationLimits)
    images: int = 1_000_000
    total_bytes: int = 2**40
    file_bytes: int = 2 * 2**30
    image_bytes: int = 64 * 2**20
    archive_bytes: int = 64 * 2**30
    frames: FrameLimits = field(default_factory=FrameLimits)

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
            settings.max_image_bytes,
            settings.max_archive_bytes,
            FrameLimits.of(settings),
        )


def create_upload(
    session: Session,
    tenant_id: uuid.UUID,
    name: str | None = None,
    left_out: Sequence[LeftOut] = (),
    frames: dict[str, Any] | None = None,
) -> Dataset:
    """Create an open dataset; `left_out` are files that the client skips, `frames` a stored `FrameChoice` or None."""
    dataset = Dataset(
        tenant_id=tenant_id,
        name=name or "upload",
        source=DatasetSource.UPLOAD,
        state=DatasetState.OPEN,
        image_count=0,
        left_out=[asdict(one) for one in left_out],
        listing=None if frames is None else {"frames": frames},
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


def require_listed(dataset: Dataset) -> Dataset:
    """Return the dataset. Raises `DatasetListing` or `DatasetFailed`."""
    if dataset.state is DatasetState.LISTING:
        raise DatasetListing(
            f"the images of dataset {dataset.id} are still being listed ({dataset.listed} entries so far); "
            "wait until its state is sealed"
        )
    if dataset.state is DatasetState.FAILED:
        raise DatasetFailed(f"dataset {dataset.id} could not be listed: {dataset.error_message}")
    return dataset
