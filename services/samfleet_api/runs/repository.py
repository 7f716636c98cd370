from __future__ import annotations

import enum
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Select, any_, case, cast, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import (
    DatasetImage,
    Hardware,
    ImageResult,
    Job,
    Outcome,
    ReportSeries,
    Rollup,
    Run,
    RunPicture,
    RunQuality,
    Shard,
)
from samfleet.quality.repository import figures_of
from samfleet.rollups.measures import image_ms_sql
from samfleet.wire.stages import IMAGE

SEARCHED_AT_ONCE = 50_000  # images whose names one request reads, which takes some 50 ms


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Facts from a run's results and evaluation."""

    hardware: tuple[Hardware, ...] = ()
    instances: int | None = None
    iou_sum: float = 0.0
    figures: Sequence[RunQuality] = ()


class ListedOutcome(enum.StrEnum):
    """Outcome of an image so far."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"  # not recorded; final if the run was cancelled or failed


_SIZE = Shard.last_position - Shard.first_position + 1
RECORDED = frozenset({ListedOutcome.SUCCEEDED, ListedOutcome.FAILED})
# Condition of the shards with images of an outcome, and their number. A shard that is retried keeps its results.
OF_SHARDS: Mapping[ListedOutcome, tuple[ColumnElement[bool], ColumnElement[int]]] = {
    ListedOutcome.SUCCEEDED: (Shard.part_key.is_not(None) & (Shard.failed < _SIZE), _SIZE - Shard.failed),
    ListedOutcome.FAILED: (Shard.failed > 0, Shard.failed.expression),
    ListedOutcome.PENDING: (Shard.part_key.is_(None), _SIZE),
}


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


def page_of_images(
    session: Session, run: Run, *, outcome: ListedOutcome | None, name: str | None, after: int | None, limit: int
) -> tuple[Sequence[ListedImage], int | None]:
    """Return at most `limit` images in the order of the dataset, and the `after` of the next page; None at the end.

    `after` is the position of the last one seen. With only an outcome, the shards say where such images are: their
    list may begin after millions of others. No index finds a `name`, a part of the file name, so only the next
    `SEARCHED_AT_ONCE` positions are read, and a page may have fewer images than there are, even none.
    """
    seen = -1 if after is None else after
    query = _with_results(run)
    if outcome is not None:
        recorded = ImageResult.outcome == Outcome(outcome) if outcome in RECORDED else ImageResult.run_id.is_(None)
        query = query.where(recorded)
    if outcome is not None and not name and run.started_at is not None:  # else shards may be missing
        positions = _positions(session, run, outcome, seen, limit + 1)
        query = query.where(DatasetImage.position == any_(literal(positions, ARRAY(BigInteger))))
    last = run.total - 1
    if outcome is None and not name:  # the planner does not know that positions have no gaps, and reads all results
        query = query.where(DatasetImage.position <= literal(seen + limit + 1, BigInteger))
    if name:
        last = min(last, SEARCHED_AT_ONCE + seen)
        query = query.where(DatasetImage.file_name.icontains(name, autoescape=True), DatasetImage.position <= last)
    if after is not None:
        query = query.where(DatasetImage.position > literal(after, BigInteger))
    rows = session.execute(query.order_by(DatasetImage.position).limit(limit + 1)).all()
    if len(rows) > limit:
        return [ListedImage(*row) for row in rows[:limit]], rows[limit - 1].position
    return [ListedImage(*row) for row in rows], last if last < run.total - 1 else None


def _with_results(run: Run) -> Select[Any]:
    """Select the images of the run's dataset with their results, if recorded."""
    of_run = (ImageResult.run_id == run.id) & (ImageResult.dataset_image_id == DatasetImage.id)
    return (
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


def _positions(session: Session, run: Run, outcome: ListedOutcome, after: int, limit: int) -> list[int]:
    """Return positions above `after`, among which are the first `limit` images with this outcome.

    They are those of whole shards, whose counts tell how many of the images have it.
    """
    has, count = OF_SHARDS[outcome]
    query = (
        select(Shard.first_position, Shard.last_position, count.label("images"))
        .where(Shard.run_id == run.id, has, Shard.last_position > literal(after, BigInteger))
        .order_by(Shard.index)
        .limit(limit + 1)
    )
    positions: list[int] = []
    found = 0
    for shard in session.execute(query):
        positions.extend(range(max(shard.first_position, after + 1), shard.last_position + 1))
        found += shard.images if shard.first_position > after else 0
        if found >= limit:
            break
    return positions


def add_picture(session: Session, run_id: uuid.UUID, key: str, size: int) -> None:
    """Count a stored picture, of `size` bytes; does nothing if its run was removed meanwhile."""
    run = select(Run.id, literal(key), literal(size, BigInteger)).where(Run.id == run_id)
    rows = insert(RunPicture).from_select(["run_id", "key", "bytes"], run.with_for_update(read=True, key_share=True))
    session.execute(rows.on_conflict_do_update(index_elements=["run_id", "key"], set_={"bytes": size}))
