from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.service import found
from samfleet.db.deletions import hide
from samfleet.db.models import Dataset, DatasetState, Job
from samfleet.errors import Conflict

MOST_NAMED = 5  # jobs listed in the error message


class DatasetInUse(Conflict):
    """Jobs use the dataset, or an open version is made of it; delete them first."""

    code = "dataset_in_use"


def delete_dataset(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> None:
    """Hide a dataset that no job uses; `samfleet.jobs.purge` then removes its rows and objects.

    A second call changes nothing. The row lock conflicts with the lock that a job takes at submission, so no job can
    start to use the dataset meanwhile. Raises `DatasetInUse`.
    """
    dataset = found(repository.lock(session, tenant_id, dataset_id, deleted=True), dataset_id)
    using = select(Job.id).where(Job.dataset_id == dataset_id, Job.deleted_at.is_(None)).order_by(Job.created_at)
    jobs = [str(job_id) for job_id in session.scalars(using.limit(MOST_NAMED + 1))]
    if jobs:
        more = " and others" if len(jobs) > MOST_NAMED else ""
        raise DatasetInUse(
            f"dataset {dataset_id} is used by job {', '.join(jobs[:MOST_NAMED])}{more}; delete them first"
        )
    open_version = select(Dataset.id).where(
        Dataset.base_id == dataset_id, Dataset.state == DatasetState.OPEN, Dataset.deleted_at.is_(None)
    )
    if (version := session.scalars(open_version).one_or_none()) is not None:
        raise DatasetInUse(f"dataset {dataset_id} is the base of version {version}; seal or delete that first")
    if dataset.deleted_at is None:
        hide(session, dataset)


def delete_unsealed(session: Session, before: ColumnElement[datetime], limit: int) -> list[uuid.UUID]:
    """Hide at most `limit` open datasets that did not change since `before`; return their ids."""
    stale = select(Dataset).where(
        Dataset.state == DatasetState.OPEN, Dataset.deleted_at.is_(None), Dataset.changed_at < before
    )
    rows = session.scalars(stale.order_by(Dataset.changed_at).limit(limit).with_for_update(skip_locked=True)).all()
    for dataset in rows:
        hide(session, dataset, "not sealed in time")
    return [dataset.id for dataset in rows]
