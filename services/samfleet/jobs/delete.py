from __future__ import annotations

import uuid

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import ReportSeries, Run
from samfleet.errors import Conflict
from samfleet.jobs.cancel import JobNotFound, cancel_job
from samfleet.jobs.states import is_final, lock_job


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
        job.deleted_at = func.now()
        job.idempotency_key = None  # the same request, sent again, creates a new job
    if forget_measurements:
        runs = select(Run.id).where(Run.job_id == job_id)
        session.execute(delete(ReportSeries).where(ReportSeries.run_id.in_(runs)))
    session.flush()
