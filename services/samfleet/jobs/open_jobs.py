"""The quota of open jobs: how many jobs of a tenant may be queued, running or paused at a time."""

from __future__ import annotations

import uuid

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Tenant
from samfleet.errors import TooManyRequests

OPEN = (JobState.QUEUED, JobState.RUNNING, JobState.PAUSED)
RETRY_AFTER_SECONDS = 30.0  # nobody knows when a job ends: often enough to be quick, seldom enough to cost nothing


class TooManyOpenJobs(TooManyRequests):
    """The tenant has as many open jobs as it may have; wait until one ends, or cancel one."""

    code = "too_many_open_jobs"


def require_place(session: Session, tenant_id: uuid.UUID, default_most: int | None) -> None:
    """Raise `TooManyOpenJobs` if the tenant may not open another job.

    `default_most` is for tenants without their own limit; None means any number. The tenant's row stays locked until
    the end of the transaction, so parallel calls count each other's jobs. Take locks of jobs before.
    """
    most = session.scalars(select(Tenant.max_open_jobs).where(Tenant.id == tenant_id)).one() or default_most
    if most is None:
        return
    session.execute(select(Tenant.id).where(Tenant.id == tenant_id).with_for_update(key_share=True))
    count = select(func.count()).where(Job.tenant_id == tenant_id, Job.state.in_(OPEN))
    if (open_jobs := session.scalars(count).one()) >= most:
        raise TooManyOpenJobs(
            f"open jobs of your tenant: {open_jobs}, allowed: {most}; wait until one ends, or cancel one",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )
