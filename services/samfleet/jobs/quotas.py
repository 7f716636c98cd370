"""Quotas of a tenant: how many jobs, and how many images without a result, it may have open at a time.

An open job is queued, running or paused. Its open images are those that its runs have not recorded yet, so an image of
a job with two variants counts twice.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Self

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, Shard, Tenant
from samfleet.errors import InvalidInput, TooManyRequests
from samfleet.jobs.states import OPEN_SHARDS, RUNS_ENDED
from samfleet.quota_settings import QuotaSettings

OPEN = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)
RETRY_AFTER_SECONDS = 30.0  # nobody knows when a job ends: often enough to be quick, seldom enough to cost nothing


class TooManyOpenJobs(TooManyRequests):
    """The tenant has as many open jobs as it may have; wait until one ends, or cancel one."""

    code = "too_many_open_jobs"


class TooManyOpenImages(TooManyRequests):
    """The tenant would have more open images than it may have; wait until some are done, or cancel a job."""

    code = "too_many_open_images"


class JobTooLarge(InvalidInput):
    """The job has more images than the tenant may have open at a time; make smaller datasets or name fewer variants."""

    code = "job_too_large"


@dataclass(frozen=True, slots=True)
class Quotas:
    """Quotas of tenants without their own; None means any number."""

    open_jobs: int | None = None
    open_images: int | None = None

    @classmethod
    def of(cls, settings: QuotaSettings) -> Self:
        return cls(settings.max_open_jobs, settings.max_open_images)


UNLIMITED = Quotas()


def require_place(session: Session, tenant_id: uuid.UUID, images: int, defaults: Quotas) -> None:
    """Raise `TooManyOpenJobs`, `TooManyOpenImages` or `JobTooLarge` if the tenant may not open a job of so many images.

    `images` counts those of all its runs. If the tenant has a quota, its row stays locked until the end of the
    transaction, so parallel calls count each other's jobs. Take locks of jobs before.
    """
    quotas = _quotas(session, tenant_id, defaults)
    if quotas == UNLIMITED:
        return
    session.execute(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True))
    if quotas.open_jobs is not None:
        _require_job(session, tenant_id, quotas.open_jobs)
    if quotas.open_images is not None:
        _require_images(session, tenant_id, images, quotas.open_images)


def _quotas(session: Session, tenant_id: uuid.UUID, defaults: Quotas) -> Quotas:
    own = select(Tenant.max_open_jobs, Tenant.max_open_images).where(Tenant.id == tenant_id)
    jobs, images = session.execute(own).one()
    return Quotas(jobs or defaults.open_jobs, images or defaults.open_images)


def _require_job(session: Session, tenant_id: uuid.UUID, most: int) -> None:
    count = select(func.count()).where(Job.tenant_id == tenant_id, Job.state.in_(OPEN))
    if (open_jobs := session.scalars(count).one()) >= most:
        raise TooManyOpenJobs(
            f"open jobs of your tenant: {open_jobs}, allowed: {most}; wait until one ends, or cancel one",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )


def _require_images(session: Session, tenant_id: uuid.UUID, images: int, most: int) -> None:
    if images > most:
        raise JobTooLarge(
            f"images of the job in all its runs: {images}, allowed open at a time: {most}; "
            "make smaller datasets, or name fewer variants or pools"
        )
    if (open_images := _open_images(session, tenant_id)) + images > most:
        raise TooManyOpenImages(
            f"open images of your tenant: {open_images}, of this job: {images}, allowed: {most}; "
            "wait until some are done, or cancel a job",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )


def _open_images(session: Session, tenant_id: uuid.UUID) -> int:
    """Count the images that the tenant's open jobs have yet to record, also those that are computed again."""
    again = (
        select(func.coalesce(func.sum(Shard.failed), 0))
        .where(Shard.run_id == Run.id, Shard.state.in_(OPEN_SHARDS), Shard.part_key.is_not(None))
        .scalar_subquery()
    )
    unrecorded = Run.total - Run.succeeded - Run.failed + case((Run.retries > 0, again), else_=0)
    open_runs = Job.tenant_id == tenant_id, Job.state.in_(OPEN), Run.state.not_in(RUNS_ENDED)
    count = select(func.coalesce(func.sum(unrecorded), 0)).join(Job, Job.id == Run.job_id).where(*open_runs)
    return int(session.scalars(count).one())
