from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, Run, Shard, ShardState

IN_FLIGHT = (ShardState.QUEUED, ShardState.LEASED)


def count_jobs(session: Session) -> Mapping[str, int]:
    found = session.execute(select(Job.state, func.count()).where(Job.deleted_at.is_(None)).group_by(Job.state)).all()
    return {state.value: count for state, count in found}


def count_runs(session: Session) -> dict[tuple[str, ...], float]:
    found = session.execute(select(Run.pool, Run.state, func.count()).group_by(Run.pool, Run.state)).all()
    return {(pool, state.value): count for pool, state, count in found}


def count_shards_in_flight(session: Session) -> dict[tuple[str, ...], float]:
    """Count open shards by pool and state. Uses the index of open shards, so finished ones cost nothing."""
    query = select(Run.pool, Shard.state, func.count()).join(Run, Run.id == Shard.run_id)
    found = session.execute(query.where(Shard.state.in_(IN_FLIGHT)).group_by(Run.pool, Shard.state)).all()
    return {(pool, state.value): count for pool, state, count in found}


def longest_waits(session: Session) -> Mapping[str, float]:
    """Return for each pool how many seconds its oldest queued shard has waited, by the database's clock."""
    waited = func.extract("epoch", func.now() - func.min(Shard.queued_at))
    query = select(Run.pool, waited).join(Run, Run.id == Shard.run_id).where(Shard.state == ShardState.QUEUED)
    found = session.execute(query.group_by(Run.pool)).all()
    return {pool: float(seconds) for pool, seconds in found if seconds is not None}


def count_overdue_leases(session: Session) -> int:
    overdue = (Shard.state == ShardState.LEASED, Shard.lease_expires_at < func.now())
    return session.scalar(select(func.count()).where(*overdue)) or 0
