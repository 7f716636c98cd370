"""The beginning and the end of filling a dataset, whatever its source."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.service import MAX_NAME_LENGTH
from samfleet.datasets.version_changes import count_changes
from samfleet.db.models import Dataset, DatasetSource, DatasetState

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def begin_listing(
    session: Session,
    tenant_id: uuid.UUID,
    source: DatasetSource,
    name: str,
    request: DataclassInstance,
    *,
    directory: str | None = None,
) -> Dataset:
    """Write a dataset in the state `listing`, for a task that reads `request` and fills it."""
    dataset = Dataset(
        tenant_id=tenant_id,
        name=name[:MAX_NAME_LENGTH],
        source=source,
        directory=directory,
        state=DatasetState.LISTING,
        listing=asdict(request),
        image_count=0,
    )
    session.add(dataset)
    session.flush()
    return dataset


def close(session: Session, dataset: Dataset) -> None:
    """Seal a dataset whose rows are all written."""
    session.flush()  # the hash has the categories, which the prompts may add
    count_changes(session, dataset)
    dataset.content_sha256 = repository.content_of(session, dataset.id)
    dataset.state, dataset.sealed_at = DatasetState.SEALED, datetime.now(UTC)
    dataset.error_code = dataset.error_message = None  # of an earlier attempt at listing it
