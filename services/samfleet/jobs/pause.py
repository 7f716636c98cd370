"""Pause and resumption of jobs.

A paused job starts nothing: its queued shards wait in PostgreSQL again, and its runs are in no query for open work.
Shards that a worker has claimed finish and are recorded, so a job may also end while it is paused.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, RunState, Shard, ShardState
from samfleet.jobs.cancel import JobFinished, JobNotFound
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.stall import get_on
from samfleet.jobs.states import is_final, lock_job, move_job, move_run


def pause_job(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job:
    """Pause a job; a second call changes nothing. Raises `JobFinished` if the job has ended.

    A worker that claims a queued shard at the same time either has it, and finishes it, or finds it no longer queued.
    """
    job = _lock_open(session, tenant_id, job_id, "paused")
    if job.state is JobState.PAUSED:
        return job
    for run in _lock_runs(session, job, RunState.RUNNING):
        get_on(run)
        run.waiting_since = run.turn_since = None  # a paused run takes no turn from other variants
        move_run(session, run, RunState.PAUSED, "the job was paused")
        session.execute(
            update(Shard)
            .where(Shard.run_id == run.id, Shard.state == ShardState.QUEUED)
            .values(state=ShardState.PENDING, queued_at=None)
        )
    move_job(session, job, JobState.PAUSED, "requested")
    return job


def resume_job(session: Session, queue: TaskQueue, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job:
    """Let a paused job continue; a job that is not paused stays unchanged. Raises `JobFinished` if the job has ended.

    A job that was paused before it was planned is planned now.
    """
    job = _lock_open(session, tenant_id, job_id, "resumed")
    if job.state is not JobState.PAUSED:
        return job
    if job.started_at is None:
        job.sent_at = func.now()
        move_job(session, job, JobState.QUEUED, "resumed")
        wake_after_commit(session, queue, TaskName.PLAN, str(job.id), correlation=job.correlation_id)
        return job
    move_job(session, job, JobState.RUNNING, "resumed")
    for run in _lock_runs(session, job, RunState.PAUSED):
        move_run(session, run, RunState.RUNNING, "the job was resumed")
        wake_after_commit(session, queue, TaskName.DISPATCH, str(run.id), correlation=job.correlation_id)
    return job


def _lock_open(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID, verb: str) -> Job:
    job = lock_job(session, job_id)
    if job is None or job.tenant_id != tenant_id or job.deleted_at is not None:
        raise JobNotFound(f"job {job_id} does not exist; GET /v1/jobs lists yours")
    if is_final(job.state):
        raise JobFinished(f"job {job_id} is {job.state.value}; it cannot be {verb}")
    return job


def _lock_runs(session: Session, job: Job, state: RunState) -> Sequence[Run]:
    runs = select(Run).where(Run.job_id == job.id, Run.state == state).order_by(Run.id).with_for_update(key_share=True)
    return session.scalars(runs, execution_options={"populate_existing": True}).all()
