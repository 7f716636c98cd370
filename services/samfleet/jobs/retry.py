"""Retries: failed images of an ended job are computed again, on the same runs.

The results stay whole meanwhile. A shard with failed images keeps its part and its rows until a worker has recorded
them again; then a new part replaces the old one, in the transaction that replaces the failed rows. What a failed run
never recorded is computed too.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, ImageResult, Job, JobState, Run, RunState, Shard, ShardState
from samfleet.errors import Conflict
from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.jobs.quotas import UNLIMITED, Quotas, require_place
from samfleet.jobs.stall import get_on
from samfleet.jobs.states import lock_job, move_job, move_run

RETRYABLE = (JobState.COMPLETED_WITH_ERRORS, JobState.FAILED)


class JobNotRetryable(Conflict):
    """The job still runs, was cancelled, or has no failures; only an ended job with failures can be retried."""

    code = "job_not_retryable"


def retry_job(
    session: Session, queue: TaskQueue, tenant_id: uuid.UUID, job_id: uuid.UUID, quotas: Quotas = UNLIMITED
) -> Job:
    """Compute the failed images of an ended job again, and what its failed runs never recorded.

    The row lock of the job serialises two retries; the second finds a running job. The job is open again, so it
    needs a place within the tenant's quotas. Raises `JobNotRetryable` and the errors of `require_place`.
    """
    job = lock_job(session, job_id)
    if job is None or job.tenant_id != tenant_id or job.deleted_at is not None:
        raise JobNotFound(f"job {job_id} does not exist; GET /v1/jobs lists yours")
    if job.state not in RETRYABLE:
        raise JobNotRetryable(f"job {job_id} is {job.state.value}; only an ended job with failures can be retried")
    failed = _failed_runs(session, job)
    require_place(session, tenant_id, sum(run.total - run.succeeded for run in failed), quotas)
    job.error_code = job.error_message = job.finished_at = None
    if job.started_at is None:
        _plan_again(session, queue, job, failed)
    else:
        move_job(session, job, JobState.RUNNING, "retry requested")
        for run in failed:
            _retry_run(session, queue, job, run)
    return job


def _failed_runs(session: Session, job: Job) -> list[Run]:
    runs = select(Run).where(Run.job_id == job.id, or_(Run.state == RunState.FAILED, Run.failed > 0))
    locked = runs.order_by(Run.id).with_for_update(key_share=True)
    return list(session.scalars(locked, execution_options={"populate_existing": True}))


def _plan_again(session: Session, queue: TaskQueue, job: Job, runs: Sequence[Run]) -> None:
    """Queue a job again whose planning failed."""
    job.plan_failures, job.sent_at = 0, func.now()
    move_job(session, job, JobState.QUEUED, "retry requested")
    for run in runs:
        _clear(job, run)
        move_run(session, run, RunState.QUEUED, "retry requested")
        _reopen(session, run)
    wake_after_commit(session, queue, TaskName.PLAN, str(job.id), correlation=job.correlation_id)


def _retry_run(session: Session, queue: TaskQueue, job: Job, run: Run) -> None:
    _clear(job, run)
    run.retries += 1
    move_run(session, run, RunState.RUNNING, "retry requested")
    _keep_claim_times(session, job, run)
    if _reopen(session, run):
        wake_after_commit(session, queue, TaskName.DISPATCH, str(run.id), correlation=job.correlation_id)
    else:  # only its end had failed
        run.sent_at = func.now()
        move_run(session, run, RunState.FINISHING, "every image is recorded")
        wake_after_commit(session, queue, TaskName.FINISH, str(run.id), correlation=job.correlation_id)


def _clear(job: Job, run: Run) -> None:
    """Remove the traces of the former end, so that the run is finished, evaluated, exported and tidied again."""
    run.error_code = run.error_message = run.quality_error_code = run.quality_error_message = None
    run.finished_at = run.tidied_at = None
    run.exports_due = bool(job.exports)
    run.evaluations_begun = run.finish_failures = 0
    get_on(run)


def _keep_claim_times(session: Session, job: Job, run: Run) -> None:
    """Copy the claim of each shard to be retried to its rows, because the next claim replaces it.

    Rollups take the start of work from there. The rows are found by the positions of their images: no index of results
    has the shard.
    """
    failed = select(Shard.id, Shard.claimed_at, Shard.first_position, Shard.last_position)
    shards = session.execute(failed.where(Shard.run_id == run.id, Shard.failed > 0).order_by(Shard.index)).all()
    images = select(DatasetImage.id).where(
        DatasetImage.dataset_id == job.dataset_id,
        DatasetImage.position.between(bindparam("first"), bindparam("last")),
    )
    keep = (
        update(ImageResult.__table__)  # type: ignore[arg-type]
        .where(
            ImageResult.run_id == run.id,
            ImageResult.dataset_image_id.in_(images),
            ImageResult.shard_id == bindparam("shard"),
            ImageResult.claimed_at.is_(None),
        )
        .values(claimed_at=bindparam("claimed"))
    )
    if shards:
        of_shards = [
            {"shard": shard.id, "claimed": shard.claimed_at, "first": shard.first_position, "last": shard.last_position}
            for shard in shards
        ]
        session.connection().execute(keep, of_shards)


def _reopen(session: Session, run: Run) -> bool:
    """Make the shards with failures, and those that were cancelled, pending; return True if there are any."""
    failed = or_(Shard.state == ShardState.CANCELLED, (Shard.state == ShardState.DONE) & (Shard.failed > 0))
    reopened = session.execute(
        update(Shard)
        .where(Shard.run_id == run.id, failed)
        .values(
            state=ShardState.PENDING,
            attempts=0,
            waits=0,
            not_before=None,
            queued_at=None,
            last_error=None,
            first_claimed_at=func.coalesce(Shard.first_claimed_at, Shard.claimed_at),
        )
        .returning(Shard.id)
    )
    return bool(reopened.all())
