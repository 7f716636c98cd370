from __future__ import annotations

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, RunState
from samfleet.errors import Conflict, NotFound
from samfleet.jobs.settle import cancel_shards, end_run
from samfleet.jobs.states import is_final, lock_job, move_job


class JobNotFound(NotFound):
    """The job does not exist."""

    code = "job_not_found"


class JobFinished(Conflict):
    """The job has already ended; it cannot be cancelled, paused, resumed or given a priority."""

    code = "job_finished"


def cancel_job(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job:
    """Cancel a job; recorded results stay. A second call changes nothing.

    Raises `JobFinished` if the job has completed or failed.
    """
    job = lock_job(session, job_id)
    if job is None or job.tenant_id != tenant_id or job.deleted_at is not None:
        raise JobNotFound(f"job {job_id} does not exist; GET /v1/jobs lists yours")
    if job.state is JobState.CANCELLED:
        return job
    if is_final(job.state):
        raise JobFinished(f"job {job_id} is {job.state.value}; it cannot be cancelled")
    runs = session.scalars(select(Run).where(Run.job_id == job.id).order_by(Run.id).with_for_update(key_share=True))
    for run in runs.all():
        if not is_final(run.state):
            end_run(session, run, RunState.CANCELLED, "the job was cancelled")
            cancel_shards(session, run.id)
    move_job(session, job, JobState.CANCELLED, "requested")
    return job
