from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import func, select, true, tuple_
from sqlalchemy.orm import Session

from samfleet.datasets.coverage import Coverage
from samfleet.db.models import Dataset, DatasetImage, ImageResult, Job, JobEvent, Outcome, Run
from samfleet_api.actors import key_name
from samfleet_api.jobs.filters import EVERY_JOB, JobFilter
from samfleet_api.jobs.sorting import JobPlace, JobSort, PlacedJob, sorted_page


@dataclass(frozen=True, slots=True)
class FailedImage:
    run_id: uuid.UUID
    image_id: int
    file_name: str
    code: str
    message: str
    stage: str | None


class ListedChange(NamedTuple):
    """A change of a job, with the name of the key that asked for it, and the variant and pool of the run."""

    event: JobEvent
    key: str | None
    variant: str | None
    pool: str | None


@dataclass(frozen=True, slots=True)
class FailedGroup:
    """Failed images with the same code and stage; `first` is the first of them in the list of failed images."""

    code: str
    stage: str | None
    images: int
    run_ids: Sequence[uuid.UUID]
    first: FailedImage


def coverage_of(session: Session, dataset_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Coverage]:
    """Return the coverage by dataset id, for datasets whose annotations were matched to their images."""
    query = select(Dataset).where(Dataset.id.in_(dataset_ids), Dataset.annotated_image_count.is_not(None))
    return {
        row.id: Coverage(
            row.image_count,
            row.annotated_image_count or 0,
            row.annotation_count or 0,
            row.unused_annotation_count or 0,
            row.box_annotation_count or 0,
        )
        for row in session.scalars(query)
    }


def dataset_names(session: Session, dataset_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, str | None]:
    query = select(Dataset.id, Dataset.name).where(Dataset.id.in_(dataset_ids))
    return {row.id: row.name for row in session.execute(query)}


def find(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job | None:
    query = select(Job).where(Job.tenant_id == tenant_id, Job.id == job_id, Job.deleted_at.is_(None))
    return session.scalars(query).one_or_none()


def of_ids(session: Session, job_ids: Collection[uuid.UUID]) -> Sequence[Job]:
    """Read jobs of any tenant: the caller has checked the tenant."""
    return session.scalars(select(Job).where(Job.id.in_(job_ids))).all()


def page(
    session: Session,
    tenant_id: uuid.UUID,
    wanted: JobFilter = EVERY_JOB,
    *,
    sort: JobSort = JobSort.NEWEST,
    after: JobPlace | None = None,
    limit: int,
) -> Sequence[PlacedJob]:
    """Return a page of jobs. `after` is the place of the last one seen, in the same order."""
    query = select(Job).where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None), *wanted.conditions())
    return [PlacedJob(*row) for row in session.execute(sorted_page(query, sort, after=after, limit=limit))]


def count(session: Session, tenant_id: uuid.UUID, wanted: JobFilter, most: int) -> int:
    """Count matching jobs, up to `most`."""
    matching = select(Job.id).where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None), *wanted.conditions())
    return session.scalar(select(func.count()).select_from(matching.limit(most).subquery())) or 0


def changes(
    session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID, *, before: int | None, limit: int
) -> Sequence[ListedChange]:
    """Return the history of a job, newest first. `before` is the id of the last change seen."""
    query = (
        select(JobEvent, key_name(JobEvent.actor, tenant_id), Run.variant, Run.pool)
        .outerjoin(Run, Run.id == JobEvent.run_id)
        .where(JobEvent.job_id == job_id)
    )
    if before is not None:
        query = query.where(JobEvent.id < before)
    return [ListedChange(*row) for row in session.execute(query.order_by(JobEvent.id.desc()).limit(limit))]


def failed_images(
    session: Session, job_id: uuid.UUID, *, after: tuple[uuid.UUID, int] | None, limit: int
) -> Sequence[FailedImage]:
    """Return failed images ordered by run and image id. `after` is (run_id, image_id) of the last one seen.

    At most `limit` failures of each run are read, in the order of their index: a run may have millions.
    """
    of_run = select(ImageResult.run_id, ImageResult.image_id).where(
        ImageResult.run_id == Run.id, ImageResult.outcome == Outcome.FAILED
    )
    if after is not None:
        of_run = of_run.where(tuple_(ImageResult.run_id, ImageResult.image_id) > after)
    first = of_run.order_by(ImageResult.image_id).limit(limit).lateral()
    listed = select(first).select_from(Run).join(first, true()).where(Run.job_id == job_id)
    page = listed.order_by(first.c.run_id, first.c.image_id).limit(limit).subquery()
    query = (
        select(ImageResult, DatasetImage.file_name)
        .join(page, (page.c.run_id == ImageResult.run_id) & (page.c.image_id == ImageResult.image_id))
        .join(DatasetImage, DatasetImage.id == ImageResult.dataset_image_id)
        .order_by(page.c.run_id, page.c.image_id)
    )
    return [_failed(result, file_name) for result, file_name in session.execute(query)]


def failure_groups(session: Session, job_id: uuid.UUID) -> Sequence[FailedGroup]:
    """Group failed images by code and stage, most images first. PostgreSQL counts per run; only these few counts are
    added here.
    """
    query = (
        select(
            ImageResult.run_id,
            ImageResult.error_code,
            ImageResult.error_stage,
            func.count().label("images"),
            func.min(ImageResult.image_id).label("first_image_id"),
        )
        .join(Run, Run.id == ImageResult.run_id)
        .where(Run.job_id == job_id, ImageResult.outcome == Outcome.FAILED)
        .group_by(ImageResult.run_id, ImageResult.error_code, ImageResult.error_stage)
    )
    counted: dict[tuple[str, str | None], list[Any]] = defaultdict(list)
    for row in session.execute(query.order_by(ImageResult.run_id)):
        counted[row.error_code, row.error_stage].append(row)
    first_of = {key: (rows[0].run_id, rows[0].first_image_id) for key, rows in counted.items()}
    firsts = _failed_by_image(session, first_of.values())
    groups = [
        FailedGroup(*key, sum(row.images for row in rows), [row.run_id for row in rows], firsts[first_of[key]])
        for key, rows in counted.items()
    ]
    return sorted(groups, key=lambda group: (-group.images, group.code, group.stage or ""))


def _failed_by_image(
    session: Session, images: Collection[tuple[uuid.UUID, int]]
) -> dict[tuple[uuid.UUID, int], FailedImage]:
    """Return failed images by (run_id, image_id)."""
    query = (
        select(ImageResult, DatasetImage.file_name)
        .join(DatasetImage, DatasetImage.id == ImageResult.dataset_image_id)
        .where(tuple_(ImageResult.run_id, ImageResult.image_id).in_(images))
    )
    rows = session.execute(query)
    return {(result.run_id, result.image_id): _failed(result, file_name) for result, file_name in rows}


def _failed(result: ImageResult, file_name: str) -> FailedImage:
    return FailedImage(
        run_id=result.run_id,
        image_id=result.image_id,
        file_name=file_name,
        code=result.error_code or "",
        message=result.error_message or "",
        stage=result.error_stage,
    )
