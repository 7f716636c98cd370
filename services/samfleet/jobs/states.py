"""States, the allowed transitions between them, and the only functions that change them.

Rows are locked in the order job, run, shard, so that transactions cannot deadlock; `lock_job` and `lock_run` take the
first two. Every change of a job or run is appended to `job_events`. Triggers in the database refuse the transitions
that these tables do not have.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.actors import current_actor
from samfleet.db.models import Job, JobEvent, JobState, Run, RunState, ShardState
from samfleet.errors import Conflict
from samfleet.jobs.log import add_state_line
from samfleet.webhooks.outbox import add_job_event, add_run_event

ENDED = (JobState.COMPLETED, JobState.COMPLETED_WITH_ERRORS, JobState.FAILED, JobState.CANCELLED)
RUNS_ENDED = (RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED)
OPEN_SHARDS = (ShardState.PENDING, ShardState.QUEUED, ShardState.LEASED)
JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.FAILED, JobState.CANCELLED}),
    JobState.RUNNING: frozenset({JobState.PAUSED, *ENDED}),
    # back to where it was paused, or to its end with the last shard that a worker had claimed before
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.RUNNING, *ENDED}),
    JobState.COMPLETED: frozenset(),
    JobState.COMPLETED_WITH_ERRORS: frozenset({JobState.RUNNING}),  # a retry
    JobState.FAILED: frozenset({JobState.QUEUED, JobState.RUNNING}),  # a retry
    JobState.CANCELLED: frozenset(),
}
RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.PAUSED, RunState.FINISHING, RunState.FAILED, RunState.CANCELLED}),
    RunState.PAUSED: frozenset({RunState.RUNNING, RunState.FINISHING, RunState.FAILED, RunState.CANCELLED}),
    RunState.FINISHING: frozenset({RunState.COMPLETED, RunState.FAILED, RunState.CANCELLED}),
    RunState.COMPLETED: frozenset({RunState.RUNNING}),  # a retry
    RunState.FAILED: frozenset({RunState.QUEUED, RunState.RUNNING}),  # a retry
    RunState.CANCELLED: frozenset(),
}
SHARD_TRANSITIONS: Mapping[ShardState, frozenset[ShardState]] = {
    ShardState.PENDING: frozenset({ShardState.QUEUED, ShardState.CANCELLED}),
    ShardState.QUEUED: frozenset({ShardState.PENDING, ShardState.LEASED, ShardState.CANCELLED}),  # pending: a pause
    # an expired lease may be taken over directly, without going through pending
    ShardState.LEASED: frozenset({ShardState.LEASED, ShardState.PENDING, ShardState.DONE, ShardState.CANCELLED}),
    ShardState.DONE: frozenset({ShardState.PENDING}),  # a retry
    ShardState.CANCELLED: frozenset({ShardState.PENDING}),  # a retry
}


class TransitionForbidden(Conflict):
    """This change of state is not allowed."""

    code = "transition_forbidden"


class Locked(NamedTuple):
    job: Job
    run: Run


def is_final(state: JobState | RunState) -> bool:
    """Return True for a state that only a retry changes."""
    return state in ENDED if isinstance(state, JobState) else state in RUNS_ENDED


def shard_sources(target: ShardState) -> tuple[ShardState, ...]:
    """Return the states from which a shard may become `target`, for the conditions of UPDATE statements."""
    return tuple(state for state, targets in SHARD_TRANSITIONS.items() if target in targets)


def lock_job(session: Session, job_id: uuid.UUID) -> Job | None:
    """Return the current job, locked until the end of the transaction; None if its row was deleted."""
    query = select(Job).where(Job.id == job_id).with_for_update(key_share=True)
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def lock_run(session: Session, run_id: uuid.UUID) -> Locked | None:
    job_id = session.scalars(select(Run.job_id).where(Run.id == run_id)).one_or_none()
    job = lock_job(session, job_id) if job_id else None
    if job is None:
        return None
    query = select(Run).where(Run.id == run_id).with_for_update(key_share=True)
    run = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    return Locked(job, run) if run else None


def move_job(session: Session, job: Job, state: JobState, detail: str | None = None) -> None:
    """Change the state of a locked job; `detail` says why. Raises `TransitionForbidden`."""
    if state not in JOB_TRANSITIONS[job.state]:
        raise TransitionForbidden(f"job {job.id} is {job.state.value} and cannot become {state.value}")
    before = job.state
    add_event(session, job.id, state, from_state=before, detail=detail)
    job.state = state
    if state is JobState.RUNNING and job.started_at is None:
        job.started_at = func.now()
    if is_final(state):
        job.finished_at = func.now()
    session.flush()
    add_job_event(session, job, before)


def move_run(session: Session, run: Run, state: RunState, detail: str | None = None) -> None:
    """Change the state of a locked run; `detail` says why. Raises `TransitionForbidden`."""
    if state not in RUN_TRANSITIONS[run.state]:
        raise TransitionForbidden(f"run {run.id} is {run.state.value} and cannot become {state.value}")
    before = run.state
    add_event(session, run.job_id, state, run_id=run.id, from_state=before, detail=detail)
    run.state = state
    if state is RunState.RUNNING and run.started_at is None:
        run.started_at = func.now()
    if is_final(state):
        run.finished_at = func.now()
    session.flush()
    add_run_event(session, run, before)


def add_event(
    session: Session,
    job_id: uuid.UUID,
    to_state: str,
    *,
    run_id: uuid.UUID | None = None,
    from_state: str | None = None,
    detail: str | None = None,
) -> None:
    """Append to `job_events` and to the log a change by the current actor."""
    event = JobEvent(job_id=job_id, run_id=run_id, from_state=from_state, to_state=to_state, detail=detail)
    event.actor = current_actor()
    session.add(event)
    add_state_line(session, job_id, run_id, from_state, to_state, detail)
