from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import DeliveryState, Job, Run, Shard, ShardState, WebhookDelivery, WebhookEndpoint

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


class WaitingMessages(NamedTuple):
    """Messages that wait for an enabled webhook: their number, the age of the oldest, the longest delay; in seconds."""

    messages: int
    oldest: float
    overdue: float


def waiting_messages(session: Session) -> WaitingMessages:
    """Measure the pending deliveries by the database's clock. Uses their index, so finished ones cost nothing.

    A message is overdue after its time and after the back-off of its endpoint.
    """
    due = func.greatest(WebhookDelivery.due_at, WebhookEndpoint.not_before)
    query = (
        select(func.count(), _seconds_since(WebhookDelivery.started_at), _seconds_since(due))
        .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
        .where(WebhookDelivery.state == DeliveryState.PENDING, WebhookEndpoint.enabled)
    )
    waiting, oldest, overdue = session.execute(query).one()
    return WaitingMessages(waiting, float(oldest), float(overdue))


def _seconds_since(moment: Any) -> ColumnElement[Any]:
    """Return the expression of the time since the earliest value of a column; 0 if there is none or it lies ahead."""
    return func.greatest(func.coalesce(func.extract("epoch", func.now() - func.min(moment)), 0), 0)
