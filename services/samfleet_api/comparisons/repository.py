from __future__ import annotations

import enum
import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, delete, select, tuple_
from sqlalchemy.orm import Session, aliased

from samfleet.db.models import ComparedImage, Comparison, Dataset, DatasetImage, Job, Run


class Sort(enum.StrEnum):
    """Order of the images of a comparison."""

    DISAGREEMENT = "disagreement"  # largest first
    WORST_IOU_A = "worst_iou_a"  # smallest first, only annotated images, like the next two
    WORST_IOU_B = "worst_iou_b"
    IOU_CHANGE = "iou_change"  # largest loss from A to B first
    POSITION = "position"


COLUMNS: Mapping[Sort, Any] = {  # all ascending
    Sort.DISAGREEMENT: ComparedImage.agreement,
    Sort.WORST_IOU_A: ComparedImage.iou_a,
    Sort.WORST_IOU_B: ComparedImage.iou_b,
    Sort.IOU_CHANGE: ComparedImage.iou_change,
}


class RunOfSide(NamedTuple):
    run: Run
    job: Job
    dataset: str


class ImagePlace(NamedTuple):
    """Sort key of an image; without `value` the order is that of the dataset."""

    value: float | None
    position: int


def sides_of(session: Session, run_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, RunOfSide]:
    query = select(Run, Job, Dataset.name).join(Job, Job.id == Run.job_id).join(Dataset, Dataset.id == Job.dataset_id)
    return {row[0].id: RunOfSide(*row) for row in session.execute(query.where(Run.id.in_(run_ids)))}


def of_tenant(tenant_id: uuid.UUID) -> Select[Comparison]:
    """Select the comparisons of a tenant, without those that go with a deleted job."""
    query = select(Comparison).where(Comparison.tenant_id == tenant_id)
    for side in (Comparison.run_a_id, Comparison.run_b_id):
        run, job = aliased(Run), aliased(Job)
        query = query.join(run, run.id == side).join(job, job.id == run.job_id).where(job.deleted_at.is_(None))
    return query


def find(session: Session, tenant_id: uuid.UUID, comparison_id: uuid.UUID) -> Comparison | None:
    return session.scalars(of_tenant(tenant_id).where(Comparison.id == comparison_id)).one_or_none()


def page(
    session: Session,
    tenant_id: uuid.UUID,
    *,
    run_a: uuid.UUID | None,
    run_b: uuid.UUID | None,
    before: tuple[datetime, uuid.UUID] | None,
    limit: int,
) -> Sequence[Comparison]:
    """Return comparisons of a tenant, newest first, those before the place `before`."""
    query = of_tenant(tenant_id)
    if run_a is not None:
        query = query.where(Comparison.run_a_id == run_a)
    if run_b is not None:
        query = query.where(Comparison.run_b_id == run_b)
    if before is not None:
        query = query.where(tuple_(Comparison.created_at, Comparison.id) < tuple_(*before))
    return session.scalars(query.order_by(Comparison.created_at.desc(), Comparison.id.desc()).limit(limit)).all()


def page_of_images(
    session: Session, comparison_id: uuid.UUID, sort: Sort, *, after: ImagePlace | None, limit: int
) -> Sequence[ComparedImage]:
    """Return images in this order, those after the place `after`."""
    query = select(ComparedImage).where(ComparedImage.comparison_id == comparison_id)
    column = COLUMNS.get(sort)
    if column is None:
        if after is not None:
            query = query.where(ComparedImage.position > after.position)
        return session.scalars(query.order_by(ComparedImage.position).limit(limit)).all()
    query = query.where(column.is_not(None))
    if after is not None:
        query = query.where(tuple_(column, ComparedImage.position) > tuple_(after.value, after.position))
    return session.scalars(query.order_by(column, ComparedImage.position).limit(limit)).all()


def file_names(session: Session, dataset_id: uuid.UUID, positions: Sequence[int]) -> Mapping[int, str]:
    """Return file names by position."""
    query = select(DatasetImage.position, DatasetImage.file_name)
    rows = session.execute(query.where(DatasetImage.dataset_id == dataset_id, DatasetImage.position.in_(positions)))
    return {position: name for position, name in rows if position is not None}


def remove(session: Session, comparison_id: uuid.UUID) -> None:
    """Delete a comparison with its images. A worker that computes it notices when it writes."""
    session.execute(delete(Comparison).where(Comparison.id == comparison_id))
