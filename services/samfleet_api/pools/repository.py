from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, case, func, select, true
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware, Run, RunState, Shard, ShardState, WorkerHeartbeat
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
