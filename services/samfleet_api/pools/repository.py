from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import CTE, BigInteger, ColumnElement, Select, case, cast, func, select, true
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, Job, Run, RunState, Shard, ShardState, WorkerHeartbeat
from samfleet.jobs.states import OPEN_SHARDS

FRESH = timedelta(seconds=30)  # workers send a heartbeat every few seconds; one that misses several counts as dead
OPEN = (RunState.QUEUED, RunState.RUNNING, RunState.FINISHING)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """Open work of a pool's runs. `in_progress` counts what workers hold leases on, at any stage."""

    images_waiting: int = 0
    images_in_progress: int = 0
    shards_waiting: int = 0
    shards_in_progress: int = 0


def fresh_heartbeats(session: Session) -> Sequence[WorkerHeartbeat]:
    """Return the heartbeats of live workers, by the database's clock."""
    query = select(WorkerHeartbeat).where(WorkerHeartbeat.seen_at > func.now() - FRESH)
    return session.scalars(query.order_by(WorkerHeartbeat.pool, WorkerHeartbeat.worker)).all()


class WorkNow(NamedTuple):
    """A run of which workers hold shards."""

    pool: str
    job_id: uuid.UUID
    job_name: str | None
    run_id: uuid.UUID
    variant: str
    shards: int
    images: int


@dataclass(frozen=True, slots=True)
class LastSign:
    """Latest heartbeat of a pool's workers, by the database's clock."""

    seen_at: datetime
    fresh: bool


def last_signs(session: Session, pools: Iterable[str]) -> Mapping[str, LastSign]:
    """Return the latest heartbeat by pool. Pools that never had a worker are left out."""
    seen = func.max(WorkerHeartbeat.seen_at)
    query = select(WorkerHeartbeat.pool, seen, seen > func.now() - FRESH).where(WorkerHeartbeat.pool.in_(set(pools)))
    rows = session.execute(query.group_by(WorkerHeartbeat.pool))
    return {pool: LastSign(seen_at, fresh) for pool, seen_at, fresh in rows}


def work_of_tenant(session: Session, tenant_id: uuid.UUID) -> Sequence[WorkNow]:
    """Return the tenant's runs of which workers hold shards, oldest first. Only leased shards are read."""
    held = _held(Shard.last_position - Shard.first_position + 1)
    query = (
        select(Run.pool, Job.id, Job.name, Run.id, Run.variant, held.c.shards, cast(held.c.images, BigInteger))
        .join(held, held.c.run_id == Run.id)
        .join(Job, Job.id == Run.job_id)
        .where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None))
        .order_by(Job.created_at, Run.variant, Run.id)
    )
    return [WorkNow(*row) for row in session.execute(query)]


def queue_depths(session: Session) -> Mapping[str, QueueDepth]:
    """Return the queue depth by pool."""
    return {pool: QueueDepth(*map(int, counts)) for pool, *counts in session.execute(queue_depths_query())}


def queue_depths_query() -> Select[Any]:
    """Build a query that reads one row per open run, its first shard and its leased shards, but no waiting shards.

    All shards of a run except the last have the size of the first, so the number of remaining shards follows from the
    number of remaining images. A job that is not planned yet has waiting images, but no shards. Of a retried run the
    shards with failed images are read too.
    """
    missing = Run.total - Run.succeeded - Run.failed
    size = Shard.last_position - Shard.first_position + 1
    held, retried = _held(size), _retried()
    first = select(size.label("size")).where(Shard.run_id == Run.id, Shard.index == 0).lateral("first")
    images_held, shards_held = func.coalesce(held.c.images, 0), func.coalesce(held.c.shards, 0)
    images = missing + func.coalesce(retried.c.images, 0)
    shards = func.coalesce(func.ceil(missing * 1.0 / first.c.size), 0) + func.coalesce(retried.c.shards, 0)
    return (
        select(
            Run.pool,
            func.sum(images - images_held),
            func.sum(images_held),
            func.sum(shards - shards_held),
            func.sum(shards_held),
        )
        .outerjoin(held, held.c.run_id == Run.id)
        .outerjoin(retried, retried.c.run_id == Run.id)
        .outerjoin(first, true())
        .where(Run.state.in_(OPEN))
        .group_by(Run.pool)
    )


def _held(size: ColumnElement[int]) -> CTE:
    """Select the leased shards by run. One that is retried holds only its failed images."""
    images = case((Shard.part_key.is_(None), size), else_=Shard.failed)
    return (
        select(Shard.run_id, func.count().label("shards"), func.sum(images).label("images"))
        .where(Shard.state == ShardState.LEASED)
        .group_by(Shard.run_id)
        .cte("held")
    )


def _retried() -> CTE:
    return (
        select(Shard.run_id, func.count().label("shards"), func.sum(Shard.failed).label("images"))
        .join(Run, Run.id == Shard.run_id)
        .where(Run.retries > 0, Run.state.in_(OPEN), Shard.state.in_(OPEN_SHARDS), Shard.part_key.is_not(None))
        .group_by(Shard.run_id)
        .cte("retried")
    )


def hardware_ids(session: Session, fingerprints: Iterable[str]) -> Mapping[str, uuid.UUID]:
    """Return ids by fingerprint, for hardware that has computed a recorded result."""
    query = select(Hardware.fingerprint_sha256, Hardware.id).where(Hardware.fingerprint_sha256.in_(set(fingerprints)))
    return {row.fingerprint_sha256: row.id for row in session.execute(query)}
