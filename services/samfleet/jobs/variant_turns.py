"""Turns of jobs that wait for a worker, and of variants that do not fit into Triton's memory together.

A run waits if there is no memory for its variant; its shards are released without counting an attempt. A variant with
shards in flight stays loaded, so variants do not evict each other at every shard. Once a run has waited for a whole
turn, runs of other variants that have had their turn start no further shards until it has been served.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from sqlalchemy import ColumnElement, case, func, literal, or_, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Run, RunState, Shard, ShardState
from samfleet.jobs.claim import ClaimedShard
from samfleet.jobs.sharing import fairest_job, lock_pool


def variants_at_work(session: Session, claimed: ClaimedShard, turn: timedelta) -> frozenset[str]:
    """Return the other variants of the shard's pool that must stay loaded for shards in flight.

    Queued shards count like leased ones, until the shard's run has waited for a turn; then only leased ones count.
    """
    states = [ShardState.LEASED]
    waited = select(Run.id).where(Run.id == claimed.run_id, _overdue(turn))
    if session.scalars(waited).one_or_none() is None:
        states.append(ShardState.QUEUED)
    query = (
        select(Run.variant)
        .join(Shard, Shard.run_id == Run.id)
        .where(Run.pool == claimed.pool, Run.variant != claimed.variant)
        .where(Run.state.in_((RunState.RUNNING, RunState.PAUSED)), Shard.state.in_(states))  # leased shards finish
        .distinct()
    )
    return frozenset(session.scalars(query))


def variants_in_use(session: Session, pool: str) -> frozenset[str]:
    """Return the variants of a pool with shards that are queued or leased."""
    query = (
        select(Run.variant)
        .join(Shard, Shard.run_id == Run.id)
        .where(Run.pool == pool, Shard.state.in_((ShardState.QUEUED, ShardState.LEASED)))
        .distinct()
    )
    return frozenset(session.scalars(query))


def variant_owed_a_turn(session: Session, claimed: ClaimedShard, turn: timedelta) -> str | None:
    """Return the variant to which the shard's run must yield, or None; None also during the run's own turn."""
    had = or_(Run.turn_since.is_(None), Run.turn_since < func.now() - turn)
    if session.scalars(select(Run.id).where(Run.id == claimed.run_id, had)).one_or_none() is None:
        return None
    others = Run.pool == claimed.pool, Run.variant != claimed.variant, Run.state == RunState.RUNNING
    return session.scalars(
        select(Run.variant).where(*others, _overdue(turn)).order_by(Run.waiting_since).limit(1)
    ).one_or_none()


def fairest_shard(session: Session, shard_id: int, *, with_suspects: bool = True) -> int:
    """Return the shard to process for a task of `shard_id`: that one, unless it is another job's turn.

    `samfleet.jobs.sharing` decides whose turn it is; a job's shards leave in the order in which they were queued. Tasks
    only wake workers up: one was sent for every queued shard, so their order does not matter. Without `with_suspects`,
    shards that must run alone are skipped.
    """
    pool = lock_pool(session, shard_id)
    if pool is None:
        return shard_id
    own = case((Shard.id == shard_id, 0), else_=1)
    query = (
        select(Shard.id)
        .join(Run, Run.id == Shard.run_id)
        .where(Run.job_id == fairest_job(pool, with_suspects=with_suspects), Run.pool == pool)
        .where(Shard.state == ShardState.QUEUED, or_(~Shard.suspect, literal(with_suspects)))
        .order_by(own, Shard.queued_at, Shard.id)
        .limit(1)
        .with_for_update(of=Shard, skip_locked=True)
    )
    return session.scalars(query).one_or_none() or shard_id


def begin_waiting(session: Session, run_id: uuid.UUID) -> None:
    waits = Run.id == run_id, Run.waiting_since.is_(None), Run.state == RunState.RUNNING
    session.execute(update(Run).where(*waits).values(waiting_since=func.now()))


def begin_turn(session: Session, run_id: uuid.UUID) -> None:
    """Start the turn of a run that was waiting; a run that was not, as nearly all, stays unchanged."""
    waited = Run.id == run_id, Run.waiting_since.is_not(None)
    session.execute(update(Run).where(*waited).values(waiting_since=None, turn_since=func.now()))


def _overdue(turn: timedelta) -> ColumnElement[bool]:
    return Run.waiting_since < func.now() - turn
