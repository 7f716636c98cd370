"""Claims on shards: a lease that expires unless renewed, and a fencing token that grows with every claim.

Only the holder of the newest token can renew, release or record, so a worker that was merely slow does no harm.

A worker that dies loses all its leases, and one of those shards may have killed it. Each becomes a suspect, without
counting an attempt. A suspect runs alone in its worker, so if it loses a lease again, it is at fault and the attempt
counts. All times are those of the database's clock.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Job, Run, Shard, ShardState
from samfleet.errors import Conflict
from samfleet.jobs.log import SHARD_HANDED_BACK, add_line
from samfleet.jobs.outcomes import ShardImage
from samfleet.jobs.settle import fail_run
from samfleet.jobs.shard_images import failed_images, read_shard_images
from samfleet.jobs.sharing import charge, lock_pool, refund
from samfleet.jobs.stall import Reason, stall
from samfleet.jobs.states import Locked, lock_run, shard_sources

EXHAUSTED = "shard_attempts_exhausted"


class Fault(StrEnum):
    """Cause of a failed attempt; only attempts that failed because of the shard count."""

    SHARD = "shard"
    NOBODY = "nobody"  # a server was unavailable
    UNCERTAIN = "uncertain"  # one of the shards in flight; this shard if it ran alone


class LeaseLost(Conflict):
    """The shard was taken from this worker or cancelled; its work is dropped."""

    code = "lease_lost"


@dataclass(frozen=True, slots=True)
class ClaimedShard:
    """A shard with all that a worker needs; `images` are in position order.

    `attempts` counts earlier failures caused by the shard, `waits` those caused by an unavailable server. A `suspect`
    must run alone. A retried shard has only its failed images, and `previous_part` with the lines of all. With `reuse`,
    results of earlier runs may be taken over.
    """

    shard_id: int
    run_id: uuid.UUID
    job_id: uuid.UUID
    index: int
    token: int
    attempts: int
    waits: int
    suspect: bool
    variant: str
    pool: str
    task: dict[str, Any]
    queue_shard_ms: float
    images: tuple[ShardImage, ...]
    previous_part: str | None = None
    reuse: bool = False


def must_run_alone(session: Session, shard_id: int) -> bool:
    """Return True for a shard with an expired lease, now or before."""
    lost = or_(Shard.suspect, and_(Shard.state == ShardState.LEASED, Shard.lease_expires_at < func.now()))
    return session.scalars(select(Shard.id).where(Shard.id == shard_id, lost)).one_or_none() is not None


def claim(
    session: Session, shard_id: int, worker: str, lease: timedelta, *, alone: bool = False
) -> ClaimedShard | None:
    """Claim a queued shard, or one with an expired lease, and charge its images to its tenant and job.

    Returns None if another worker holds it, or if it must run alone and this worker is not `alone`.
    """
    lock_pool(session, shard_id)
    queued = and_(Shard.state == ShardState.QUEUED, or_(~Shard.suspect, literal(alone)))
    expired = and_(Shard.state == ShardState.LEASED, Shard.lease_expires_at < func.now(), literal(alone))
    statement = (
        update(Shard)
        .where(Shard.id == shard_id, or_(queued, expired))
        .values(
            state=ShardState.LEASED,
            token=Shard.token + 1,
            attempts=Shard.attempts + case((and_(Shard.state == ShardState.LEASED, Shard.suspect), 1), else_=0),
            suspect=or_(Shard.suspect, Shard.state == ShardState.LEASED),
            queued_at=case((Shard.state == ShardState.LEASED, Shard.lease_expires_at), else_=Shard.queued_at),
            claimed_at=func.now(),
            lease_expires_at=func.now() + lease,
            worker=worker,
            progress=0,
        )
        .returning(Shard)
    )
    shard = session.scalars(statement, execution_options={"populate_existing": True}).one_or_none()
    if shard is None:
        return None
    charge(session, shard, in_turn=not alone)
    return _claimed(session, shard)


def _claimed(session: Session, shard: Shard) -> ClaimedShard:
    run = session.get_one(Run, shard.run_id)
    job = session.execute(select(Job.dataset_id, Job.reuse_results).where(Job.id == run.job_id)).one()
    images = read_shard_images(
        session,
        job.dataset_id,
        range(shard.first_position, shard.last_position + 1),
        # a run's task has every parameter of its sampler
        with_detections=run.task.get("boxes_from") == "detections",
        with_prompts=run.task.get("prompt") == "file",
    )
    return ClaimedShard(
        shard_id=shard.id,
        run_id=run.id,
        job_id=run.job_id,
        index=shard.index,
        token=shard.token,
        attempts=shard.attempts,
        waits=shard.waits,
        suspect=shard.suspect,
        variant=run.variant,
        pool=run.pool,
        task=run.task,
        queue_shard_ms=_milliseconds(shard.queued_at, shard.claimed_at),
        images=images if shard.part_key is None else failed_images(session, shard, images),
        previous_part=shard.part_key,
        reuse=job.reuse_results and shard.part_key is None,
    )


def renew(session: Session, shard_id: int, token: int, progress: int, lease: timedelta) -> bool:
    """Renew the lease and store the progress; return False if the shard was taken or cancelled, so work must stop."""
    renewed = session.execute(
        update(Shard)
        .where(*_held(shard_id, token))
        .values(lease_expires_at=func.now() + lease, progress=progress)
        .returning(Shard.id)
    )
    return renewed.one_or_none() is not None


def is_held(session: Session, shard_id: int, token: int) -> bool:
    """Return True if the lease could be renewed; write nothing."""
    return session.scalars(select(Shard.id).where(*_held(shard_id, token))).one_or_none() is not None


def release(
    session: Session,
    claimed: ClaimedShard,
    *,
    error: Reason,
    retry_in: timedelta,
    max_attempts: int,
    fault: Fault = Fault.SHARD,
) -> bool:
    """Release the shard after a failed attempt, to be dispatched again after `retry_in`.

    `Fault.NOBODY` counts no attempt, `Fault.UNCERTAIN` makes the shard a suspect. The last of `max_attempts` fails the
    run with the reason. Returns False if the lease was already lost.
    """
    locked = lock_run(session, claimed.run_id)
    values = {"not_before": func.now() + retry_in, "last_error": str(error), **_COUNTED[fault]}
    if locked is None or not _release_shard(session, claimed, values):
        return False
    stall(session, locked.run, error, shard=claimed.index)
    _fail_exhausted(session, locked, max_attempts)
    return True


def fail_claimed_run(session: Session, claimed: ClaimedShard, code: str, message: str) -> bool:
    """Fail the run of a shard that no attempt can complete; return False if the lease was already lost."""
    locked = lock_run(session, claimed.run_id)
    if locked is None or not _release_shard(session, claimed, {"attempts": Shard.attempts + 1, "last_error": message}):
        return False
    fail_run(session, locked.job, locked.run, code, message)
    return True


def hand_back(session: Session, claimed: ClaimedShard) -> bool:
    """Release the shard for a worker that stops, without counting an attempt."""
    lock_pool(session, claimed.shard_id)
    locked = lock_run(session, claimed.run_id)
    if locked is None or not _return_turn(session, claimed, {"not_before": None}):
        return False
    add_line(session, locked.run, SHARD_HANDED_BACK, "the worker stops; another one takes it", shard=claimed.index)
    return True


def wait_for_room(session: Session, claimed: ClaimedShard, error: Reason, *, retry_in: timedelta) -> bool:
    """Release the shard until there is memory for its variant; return False if the lease was already lost.

    This counts no attempt.
    """
    lock_pool(session, claimed.shard_id)
    locked = lock_run(session, claimed.run_id)
    if locked is None or not _return_turn(session, claimed, {"not_before": func.now() + retry_in}):
        return False
    stall(session, locked.run, error, shard=claimed.index)
    return True


def expire_leases(session: Session, run_id: uuid.UUID, max_attempts: int) -> int:
    """Take back the shards of a run with expired leases, and return their number."""
    locked = lock_run(session, run_id)
    if locked is None:
        return 0
    expired = session.scalars(
        update(Shard)
        .where(
            Shard.run_id == run_id,
            Shard.state == ShardState.LEASED,
            Shard.lease_expires_at < func.now(),
        )
        .values(
            state=ShardState.PENDING,
            **_COUNTED[Fault.UNCERTAIN],
            last_error=func.concat("worker ", Shard.worker, " stopped renewing its lease"),
            **_FREED,
        )
        .returning(Shard.last_error)
    ).all()
    if expired:
        stall(session, locked.run, Reason(LeaseLost.code, expired[-1] or ""), always=True)
    _fail_exhausted(session, locked, max_attempts)
    return len(expired)


_COUNTED: dict[Fault, dict[str, Any]] = {
    Fault.SHARD: {"attempts": Shard.attempts + 1},
    Fault.NOBODY: {"waits": Shard.waits + 1},
    Fault.UNCERTAIN: {"attempts": Shard.attempts + case((Shard.suspect, 1), else_=0), "suspect": True},
}
_FREED: dict[str, Any] = {"lease_expires_at": None, "worker": None, "progress": 0, "queued_at": None}


def _release_shard(session: Session, claimed: ClaimedShard, values: dict[str, Any]) -> bool:
    released = session.execute(
        update(Shard)
        .where(*_held(claimed.shard_id, claimed.token))
        .values(state=ShardState.PENDING, **_FREED, **values)
        .returning(Shard.id)
    )
    return released.one_or_none() is not None


def _return_turn(session: Session, claimed: ClaimedShard, values: dict[str, Any]) -> bool:
    """Release a shard on which no work was done, so that it costs its tenant and job no turn."""
    released = _release_shard(session, claimed, values)
    if released:
        refund(session, session.get_one(Shard, claimed.shard_id), claimed.pool, claimed.job_id)
    return released


def _held(shard_id: int, token: int) -> tuple[ColumnElement[bool], ...]:
    return Shard.id == shard_id, Shard.token == token, Shard.state == ShardState.LEASED


def _fail_exhausted(session: Session, locked: Locked, max_attempts: int) -> None:
    query = select(Shard).where(Shard.run_id == locked.run.id, Shard.attempts >= max_attempts)
    open_states = shard_sources(ShardState.CANCELLED)
    worst = session.scalars(query.where(Shard.state.in_(open_states)).order_by(Shard.index).limit(1)).one_or_none()
    if worst is not None:
        message = f"shard {worst.index} failed {worst.attempts} times; the last time: {worst.last_error}"
        fail_run(session, locked.job, locked.run, EXHAUSTED, message)


def _milliseconds(start: datetime | None, end: datetime | None) -> float:
    return max(0.0, (end - start) / timedelta(milliseconds=1)) if start and end else 0.0
