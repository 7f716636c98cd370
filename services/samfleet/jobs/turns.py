"""Which variants a pool's Triton must keep loaded, and whose turn it is when they do not fit in together.

A run whose variant finds no room waits, and its shards go back without an attempt counted. What has shards in flight
keeps its place, so variants do not push each other out shard by shard. When a run has waited for a whole turn, runs of
other variants that have had theirs begin no further shards until it was served.
"""

from __future__ import annotations

import uuid
from datetime import timedelta

from sqlalchemy import ColumnElement, func, or_, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Run, RunState, Shard, ShardState
from samfleet.jobs.leases import ClaimedShard


def variants_at_work(session: Session, claimed: ClaimedShard, turn: timedelta) -> frozenset[str]:
    """Variants of the shard's pool, its own aside, that must stay loaded for what is in flight.

    Queued shards count as much as leased ones do, until the shard's own run has waited for a turn.
    """
    states = [ShardState.LEASED]
    waited = select(Run.id).where(Run.id == claimed.run_id, _overdue(turn))
    if session.scalars(waited).one_or_none() is None:
        states.append(ShardState.QUEUED)
    query = (
        select(Run.variant)
        .join(Shard, Shard.run_id == Run.id)
        .where(Run.pool == claimed.pool, Run.variant != claimed.variant, Run.state == RunState.RUNNING)
        .where(Shard.state.in_(states))
        .distinct()
    )
    return frozenset(session.scalars(query))


def variant_owed_a_turn(session: Session, claimed: ClaimedShard, turn: timedelta) -> str | None:
    """The variant that the shard's run has to let in now; None while the run is within its own turn."""
    had = or_(Run.turn_since.is_(None), Run.turn_since < func.now() - turn)
    if session.scalars(select(Run.id).where(Run.id == claimed.run_id, had)).one_or_none() is None:
        return None
    others = Run.pool == claimed.pool, Run.variant != claimed.variant, Run.state == RunState.RUNNING
    return session.scalars(
        select(Run.variant).where(*others, _overdue(turn)).order_by(Run.waiting_since).limit(1)
    ).one_or_none()


def begin_waiting(session: Session, run_id: uuid.UUID) -> None:
    waits = Run.id == run_id, Run.waiting_since.is_(None)
    session.execute(update(Run).where(*waits).values(waiting_since=func.now()))


def begin_turn(session: Session, run_id: uuid.UUID) -> None:
    """Nothing for a run that did not wait, as nearly all do not."""
    waited = Run.id == run_id, Run.waiting_since.is_not(None)
    session.execute(update(Run).where(*waited).values(waiting_since=None, turn_since=func.now()))


def _overdue(turn: timedelta) -> ColumnElement[bool]:
    return Run.waiting_since < func.now() - turn
