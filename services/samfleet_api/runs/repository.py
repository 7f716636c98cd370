from __future__ import annotations

import enum
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, case, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, Hardware, ImageResult, Job, Outcome, Run, RunPicture, RunQuality
from samfleet.quality.repository import figures_of
from samfleet.rollups.measures import image_ms_sql


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts from a run's results and evaluation. Reading them takes one pass over all of its rows."""

    hardware: tuple[Hardware, ...] = ()
    instances: int | None = None
    iou_sum: float = 0.0
    figures: Sequence[RunQuality] = ()


class ListedOutcome(enum.StrEnum):
    """Outcome of an image so far."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"  # not recorded; final if the run was cancelled or failed


@dataclass(frozen=True, slots=True)
class ListedImage:
    """An image of a run's dataset with its result, if one is recorded."""

    position: int
    image_id: int
    file_name: str
    outcome: Outcome | None
    mask_count: int | None
    error_code: str | None
    image_ms: float | None


def find(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> Run | None:
    query = select(Run).join(Job, Job.id == Run.job_id).where(Run.id == run_id, Job.tenant_id == tenant_id)
    return session.scalars(query.where(Job.deleted_at.is_(None))).one_or_none()


def of_jobs(session: Session, job_ids: Collection[uuid.UUID]) -> Sequence[Run]:
    return session.scalars(select(Run).where(Run.job_id.in_(job_ids)).order_by(Run.variant, Run.pool)).all()


def facts_of(session: Session, run_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, RunFacts]:
    if not run_ids:
        return {}
    measured = ImageResult.hardware_id.is_not(None)
    query = (
        select(
            ImageResult.run_id,
            func.sum(ImageResult.quality_instances).label("instances"),
            func.sum(ImageResult.quality_iou_sum).label("iou_sum"),
            func.array_agg(ImageResult.hardware_id.distinct()).filter(measured).label("hardware_ids"),
        )
        .where(ImageResult.run_id.in_(run_ids))
        .group_by(ImageResult.run_id)
    )
    rows = session.execute(query).all()
    wanted = {hardware_id for row in rows for hardware_id in row.hardware_ids or ()}
    hardware = session.scalars(select(Hardware).where(Hardware.id.in_(wanted)).order_by(Hardware.first_seen_at)).all()
    figures = figures_of(session, run_ids)
    return {
        row.run_id: RunFacts(
            hardware=tuple(one for one in hardware if one.id in (row.hardware_ids or ())),
            instances=row.instances,
            iou_sum=row.iou_sum or 0.0,
            figures=figures.get(row.run_id, ()),
        )
        for row in rows
    }


def find_image(session: Session, run_id: uuid.UUID, image_id: int) -> tuple[ImageResult, DatasetImage] | None:
    query = (
        select(ImageResult, DatasetImage)
        .join(DatasetImage, DatasetImage.id == ImageResult.dataset_image_id)
        .where(ImageResult.run_id == run_id, ImageResult.image_id == image_id)
    )
    row = session.execute(query).one_or_none()
    return (row[0], row[1]) if row else None


def page_of_images(
    session: Session, run: Run, *, outcome: ListedOutcome | None, name: str | None, after: int | None, limit: int
) -> Sequence[ListedImage]:
    """Return images in the order of the dataset. `after` is the position of the last one seen, `name` a part of the
    file name.
    """
    of_run = (ImageResult.run_id == run.id) & (ImageResult.dataset_image_id == DatasetImage.id)
    query = (
        select(
            DatasetImage.position,
            DatasetImage.image_id,
            DatasetImage.file_name,
            ImageResult.outcome,
            ImageResult.mask_count,
            ImageResult.error_code,
            case((ImageResult.outcome == Outcome.SUCCEEDED, image_ms_sql())).label("image_ms"),
        )
        .join(Job, Job.dataset_id == DatasetImage.dataset_id)
        .outerjoin(ImageResult, of_run)
        .where(Job.id == run.job_id)
    )
    if outcome is ListedOutcome.PENDING:
        query = query.where(ImageResult.run_id.is_(None))
    elif outcome is not None:
        query = query.where(ImageResult.outcome == Outcome(outcome))
    if name:
        query = query.where(DatasetImage.file_name.icontains(name, autoescape=True))
    if after is not None:
        query = query.where(DatasetImage.position > literal(after, BigInteger))
    rows = session.execute(query.order_by(DatasetImage.position).limit(limit))
    return [ListedImage(*row) for row in rows]


def add_picture(session: Session, run_id: uuid.UUID, key: str, size: int) -> None:
    """Count a stored picture, of `size` bytes; does nothing if its run was removed meanwhile."""
    run = select(Run.id, literal(key), literal(size, BigInteger)).where(Run.id == run_id)
    rows = insert(RunPicture).from_select(["run_id", "key", "bytes"], run.with_for_update(read=True, key_share=True))
    session.execute(rows.on_conflict_do_update(index_elements=["run_id", "key"], set_={"bytes": size}))
