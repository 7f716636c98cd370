from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from sqlalchemy import Integer, cast, delete, func, select
from sqlalchemy.orm import Session

from samfleet.db.deletions import REQUESTED, hide
from samfleet.db.models import Job, ReportSeries, Run
from samfleet.errors import Conflict
from samfleet.jobs.cancel import JobNotFound, cancel_job
from samfleet.jobs.states import ENDED, is_final, lock_job


class JobNotFinished(Conflict):
    """The job still runs; cancel it first, or delete it with `cancel=true`."""

    code = "job_not_finished"


def delete_job(
    session: Session,
    tenant_id: uuid.UUID,
    job_id: uuid.UUID,
    *,
    cancel: bool = False,
    forget_measurements: bool = False,
) -> None:
    """Hide a job that has ended; `samfleet.jobs.purge` then removes its rows and objects.

    `cancel` cancels a job that still runs. Its measurements stay in the reports unless `forget_measurements`. A second
    call changes nothing. Raises `JobNotFinished` for a running job without `cancel`.
    """
    job = lock_job(session, job_id)
    if job is None or job.tenant_id != tenant_id:
        raise JobNotFound(f"job {job_id} does not exist; GET /v1/jobs lists yours")
    if job.deleted_at is None:
        if not is_final(job.state):
            if not cancel:
                raise JobNotFinished(
                    f"job {job_id} is {job.state.value}; cancel it first, or delete it with cancel=true"
                )
            cancel_job(session, tenant_id, job_id)
        _hide(session, job, REQUESTED)
    if forget_measurements:
        runs = select(Run.id).where(Run.job_id == job_id)
        session.execute(delete(ReportSeries).where(ReportSeries.run_id.in_(runs)))
    session.flush()


def delete_expired(session: Session, keep_days: int | None, limit: int) -> list[uuid.UUID]:
    """Hide at most `limit` jobs that ended more days ago than they are kept; return their ids.

    A job is kept for its own `keep_days`, or for `keep_days` of the server; forever if both are None. A retry that
    locks the job first has the job running again, so it stays.
    """
    days = func.coalesce(Job.keep_days, cast(keep_days, Integer))
    expired = select(Job).where(
        Job.deleted_at.is_(None), Job.state.in_(ENDED), Job.finished_at < func.now() - func.make_interval(0, 0, 0, days)
    )
    rows = session.scalars(
        expired.order_by(Job.finished_at).limit(limit).with_for_update(skip_locked=True, key_share=True)
    ).all()
    for job in rows:
        _hide(session, job, f"ended more than {keep_days if job.keep_days is None else job.keep_days} days ago")
    session.flush()
    return [job.id for job in rows]


def expires_at(job: Job, keep_days: int | None) -> datetime | None:
    """Return the time after which the clean-up deletes a job; None for a job that still runs or is kept forever.

    `keep_days` are those of the server.
    """
    days = keep_days if job.keep_days is None else job.keep_days
    return None if days is None or job.finished_at is None else job.finished_at + timedelta(days=days)


def _hide(session: Session, job: Job, reason: str) -> None:
    hide(session, job, reason)
    job.idempotency_key = None  # the same request, sent again, creates a new job
