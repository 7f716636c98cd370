from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, cast, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import (
    Dataset,
    DatasetImage,
    Hardware,
    ImageResult,
    Job,
    ReportSeries,
    Rollup,
    Run,
    RunPicture,
    RunQuality,
)
from samfleet.quality.repository import figures_of
from samfleet.wire.stages import IMAGE
from samfleet_api.file_names import FileOwner

NAME_OF_JOB = func.coalesce(Job.name, Dataset.name)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts from a run's results and evaluation."""

    hardware: tuple[Hardware, ...] = ()
    instances: int | None = None
    iou_sum: float = 0.0
    figures: Sequence[RunQuality] = ()


def find(session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID) -> Run | None:
    query = select(Run).join(Job, Job.id == Run.job_id).where(Run.id == run_id, Job.tenant_id == tenant_id)
    return session.scalars(query.where(Job.deleted_at.is_(None))).one_or_none()


def owner_of(session: Session, run: Run) -> FileOwner:
    """Return what names the files of a run."""
    named = select(NAME_OF_JOB).select_from(Job).join(Dataset, Dataset.id == Job.dataset_id).where(Job.id == run.job_id)
    return FileOwner(run.id, run.variant, session.scalars(named).one())


def of_jobs(session: Session, job_ids: Collection[uuid.UUID]) -> Sequence[Run]:
    return session.scalars(select(Run).where(Run.job_id.in_(job_ids)).order_by(Run.variant, Run.pool)).all()


def facts_of(session: Session, run_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, RunFacts]:
    """Read the facts from the rollups: a run of any number of images has few, and they are written with its results."""
    if not run_ids:
        return {}
    measured = ReportSeries.hardware_id.is_not(None)
    query = (
        select(
            ReportSeries.run_id,
            cast(func.sum(Rollup.instances), BigInteger).label("instances"),
            func.sum(Rollup.iou_sum).label("iou_sum"),
            func.array_agg(ReportSeries.hardware_id.distinct()).filter(measured).label("hardware_ids"),
        )
        .join(Rollup, (Rollup.series_id == ReportSeries.id) & (Rollup.stage == IMAGE))
        .where(ReportSeries.run_id.in_(run_ids))
        .group_by(ReportSeries.run_id)
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


def add_picture(session: Session, run_id: uuid.UUID, key: str, size: int) -> None:
    """Count a stored picture, of `size` bytes; does nothing if its run was removed meanwhile."""
    run = select(Run.id, literal(key), literal(size, BigInteger)).where(Run.id == run_id)
    rows = insert(RunPicture).from_select(["run_id", "key", "bytes"], run.with_for_update(read=True, key_share=True))
    session.execute(rows.on_conflict_do_update(index_elements=["run_id", "key"], set_={"bytes": size}))
