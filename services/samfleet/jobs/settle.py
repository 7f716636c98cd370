"""Early ends of runs, and the end of a job after its runs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Job, JobState, Run, RunState, Shard, ShardState
from samfleet.jobs.states import is_final, move_job, move_run, shard_sources
from samfleet.rollups.rebuild import rebuild_run

MOST_NAMED = 5  # runs listed in a message; a job may have thousands, and each has its state
FAILURE_RATE_EXCEEDED = "failure_rate_exceeded"
NO_IMAGE_SUCCEEDED = "no_image_succeeded"


def settle_job(session: Session, job: Job) -> None:
    """End a locked job once all its runs have ended.

    The message of a job with failed runs lists those that are complete.
    """
    runs = session.scalars(select(Run).where(Run.job_id == job.id).order_by(Run.variant, Run.pool)).all()
    if is_final(job.state) or not all(is_final(run.state) for run in runs):
        return
    state = end_of(runs)
    failed = [run for run in runs if run.state is RunState.FAILED]
    if failed:
        job.error_code = failed[0].error_code
        job.error_message = _explain(failed, [run for run in runs if run.state is RunState.COMPLETED])
    elif state is JobState.FAILED:
        job.error_code = NO_IMAGE_SUCCEEDED
        job.error_message = "all images failed; the job's errors list has the reasons"
    move_job(session, job, state, job.error_message)


def end_of(runs: Sequence[Run]) -> JobState:
    """Return the final state of a job with these ended runs.

    A job whose runs failed keeps the results of the others, unless a run exceeded the job's `max_failure_rate`.
    """
    states = {run.state for run in runs}
    if any(run.error_code == FAILURE_RATE_EXCEEDED for run in runs):
        return JobState.FAILED
    if RunState.CANCELLED in states and RunState.FAILED not in states:
        return JobState.CANCELLED
    if not any(run.state is RunState.COMPLETED and run.succeeded for run in runs):
        return JobState.FAILED
    return JobState.COMPLETED_WITH_ERRORS if states != {RunState.COMPLETED} or _failures(runs) else JobState.COMPLETED


def _failures(runs: Sequence[Run]) -> int:
    return sum(run.failed for run in runs)


def _explain(failed: Sequence[Run], completed: Sequence[Run]) -> str:
    sentences = [f"{_name(failed[0])}: {failed[0].error_message}"]
    if failed[1:]:
        sentences.append(f"failed too: {_names(failed[1:])}")
    if completed:
        sentences.append(f"complete, with all results: {_names(completed)}")
    return "; ".join(sentences)


def _names(runs: Sequence[Run]) -> str:
    more = [f"and {len(runs) - MOST_NAMED} more"] if len(runs) > MOST_NAMED else []
    return ", ".join([*map(_name, runs[:MOST_NAMED]), *more])


def _name(run: Run) -> str:
    return f"{run.variant} on pool {run.pool}"


def end_run(session: Session, run: Run, state: RunState, detail: str | None = None) -> None:
    """Move a locked run to a final state. The rollups of a retried run are made again from its rows."""
    if run.retries:
        session.flush()
        rebuild_run(session, run.id)
    move_run(session, run, state, detail)


def fail_run(session: Session, job: Job, run: Run, code: str, message: str) -> None:
    """Fail a locked run that cannot be completed; its recorded results stay."""
    run.error_code, run.error_message = code, message
    end_run(session, run, RunState.FAILED, f"{code}: {message}")
    cancel_shards(session, run.id)
    settle_job(session, job)


def cancel_shards(session: Session, run_id: uuid.UUID) -> None:
    """Cancel the unfinished shards of a run; a worker with a lease notices at its next renewal and cannot record."""
    session.execute(
        update(Shard)
        .where(Shard.run_id == run_id, Shard.state.in_(shard_sources(ShardState.CANCELLED)))
        .values(state=ShardState.CANCELLED, lease_expires_at=None, progress=0)
    )
