from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, Hardware, ImageResult, Job, Run, RunQuality
from samfleet.quality.repository import figures_of


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What only the results of a run and its evaluation tell; one pass over all of its rows."""

    hardware: tuple[Hardware, ...] = ()
    instances: int | None = None
    iou_sum: float = 0.0
    figures: Sequence[RunQuality] = ()


def find(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> Run | None:
    query = select(Run).join(Job, Job.id == Run.job_id).where(Run.id == run_id, Job.tenant_id == tenant_id)
    return session.scalars(query).one_or_none()


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
