"""Versions of a dataset: what its source has later becomes a separate dataset of the same series.

Every version is a whole dataset that never changes, so jobs, ids and deletions need no rule for it. Only the
newest sealed version gets a successor. The row lock on it serialises two requests, and the database keeps the numbers
of a series unique.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.service import DatasetNotSealed, found, require_listed
from samfleet.db.models import Dataset, DatasetSource, DatasetState
from samfleet.errors import Conflict

REFRESHABLE = (DatasetSource.DIRECTORY, DatasetSource.S3, DatasetSource.MANIFEST)
PENDING = (DatasetState.LISTING, DatasetState.OPEN)


class DatasetVersionPending(Conflict):
    """Another version of the dataset is being made; wait until it is sealed, or delete it."""

    code = "dataset_version_pending"
    retryable = True


class DatasetNotNewest(Conflict):
    """The dataset has a newer version; make the next version of that one."""

    code = "dataset_not_newest"


class DatasetNotRefreshable(Conflict):
    """The dataset has no source to read again: it was uploaded, its manifest was, or it is made of an archive."""

    code = "dataset_not_refreshable"


def create_refresh(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset:
    """Write the next version in the state `listing`, for a task that lists the source again with the same options.

    It takes over the name, labels and notes; annotations and detections are read again from their paths.
    Raises `DatasetNotRefreshable` and the errors of `lock_newest`.
    """
    base = lock_newest(session, tenant_id, dataset_id)
    if base.listing is None or base.source not in REFRESHABLE or base.listing.get("stored") is not None:
        raise DatasetNotRefreshable(
            f"dataset {base.id} has no folder, bucket or manifest to read again; make a new dataset of the images that "
            "you want"
        )
    return _add_next(session, base, state=DatasetState.LISTING, listing=base.listing)


def create_extension(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset:
    """Write the next version in the state `open`: sealing it adds the base's images to those uploaded to it.

    It takes over the name, labels, notes and the choice of frames, but annotations and detections only if nothing
    except prompts is uploaded to it. Raises the errors of `lock_newest`.
    """
    base = lock_newest(session, tenant_id, dataset_id)
    frames = (base.listing or {}).get("frames")
    chosen = {"listing": None if frames is None else {"frames": frames}}
    return _add_next(session, base, state=DatasetState.OPEN, source=DatasetSource.UPLOAD, directory=None, **chosen)


def lock_newest(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset:
    """Lock a dataset that may get a next version, until this transaction ends.

    Raises `DatasetNotSealed`, `DatasetNotNewest`, `DatasetVersionPending` and the errors of `require_listed`.
    """
    base = require_listed(found(repository.lock(session, tenant_id, dataset_id, shared=True), dataset_id))
    if base.state is DatasetState.OPEN:
        raise DatasetNotSealed(f"dataset {base.id} is still open; POST /v1/datasets/{base.id}/seal first")
    later = select(Dataset).where(*_of_series(base), Dataset.deleted_at.is_(None), Dataset.version > base.version)
    for other in session.scalars(later.order_by(Dataset.version.desc())):
        if other.state in PENDING:
            raise DatasetVersionPending(
                f"version {other.version} is being made ({other.id}, {other.state.value}); wait until it is sealed, "
                "or delete it"
            )
        if other.state is DatasetState.SEALED:
            raise DatasetNotNewest(
                f"dataset {base.id} is version {base.version}; version {other.version} is {other.id}"
            )
    return base


def versions_of(session: Session, dataset: Dataset, *, before: int | None, limit: int) -> Sequence[Dataset]:
    """Return a page of the versions of a dataset, itself included, newest first; `before` is a version's number."""
    query = select(Dataset).where(*_of_series(dataset), Dataset.deleted_at.is_(None))
    if before is not None:
        query = query.where(Dataset.version < before)
    return session.scalars(query.order_by(Dataset.version.desc()).limit(limit)).all()


def _of_series(dataset: Dataset) -> tuple[ColumnElement[bool], ...]:
    series = dataset.series_id or dataset.id
    return Dataset.tenant_id == dataset.tenant_id, or_(Dataset.id == series, Dataset.series_id == series)


def _add_next(session: Session, base: Dataset, **fields: Any) -> Dataset:
    newest = session.scalars(select(func.max(Dataset.version)).where(*_of_series(base))).one()
    taken_over = {name: getattr(base, name) for name in ("tenant_id", "name", "labels", "notes", "source", "directory")}
    dataset = Dataset(**(taken_over | fields), image_count=0, series_id=base.series_id or base.id, base_id=base.id)
    dataset.version = newest + 1
    session.add(dataset)
    session.flush()
    return dataset
