"""How runs end early and how a job follows its runs."""

from __future__ import annotations

import uuid

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, RunState, Shard, ShardState
from samfleet.jobs.states import is_final, move_job, move_run, shard_sources


def settle_job(session: Session, job: Job) -> None:
    """End a locked job once all its runs have ended: failed when one failed, else cancelled, else completed."""
    runs = session.scalars(select(Run).where(Run.job_id == job.id).order_by(Run.variant, Run.pool)).all()
    if is_final(job.state) or not all(is_final(run.state) for run in runs):
        return
    failed = next((run for run in runs if run.state is RunState.FAILED), None)
    if failed is not None:
        job.error_code = failed.error_code
        job.error_message = f"{failed.variant} on pool {failed.pool}: {failed.error_message}"
        move_job(session, job, JobState.FAILED, job.error_message)
    elif any(run.state is RunState.CANCELLED for run in runs):
        move_job(session, job, JobState.CANCELLED)
    else:
        move_job(session, job, JobState.COMPLETED)


def fail_run(session: Session, job: Job, run: Run, code: str, message: str) -> None:
    """End a locked run that cannot be carried out; what it has recorded stays."""
    run.error_code, run.error_message = code, message
    move_run(session, run, RunState.FAILED, f"{code}: {message}")
    cancel_shards(session, run.id)
    settle_job(session, job)


def cancel_shards(session: Session, run_id: uuid.UUID) -> None:
    """Cancel what is not done; a worker that holds a lease learns it at its next heartbeat and cannot record."""
    session.execute(
        update(Shard)
        .where(Shard.run_id == run_id, Shard.state.in_(shard_sources(ShardState.CANCELLED)))
        .values(state=ShardState.CANCELLED, lease_expires_at=None, progress=0)
    )
