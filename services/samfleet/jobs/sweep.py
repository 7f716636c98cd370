"""Sweep: find lost work and restart it. Because of it, Redis and any worker may die at any time.

Every step is a short transaction that takes row locks and checks the rows again before it changes them. So sweeping is
idempotent, and two concurrent sweeps do no harm. Only open work is read, so a sweep of an idle system costs a few index
look-ups.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Engine, Update, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from samfleet.db.clock import now
from samfleet.db.models import Job, JobState, Run, RunState, Shard, ShardState, WorkerHeartbeat
from samfleet.db.object_hold import may_delete_objects
from samfleet.db.session import transaction
from samfleet.jobs.claim import expire_leases
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.export import recorded_parts
from samfleet.jobs.listing import resend_listings
from samfleet.jobs.parts import parts_prefix
from samfleet.jobs.queue import QueueUnavailable, TaskName, TaskQueue, pool_queue, wake_after_commit
from samfleet.logging import get_logger
from samfleet.storage.store import ObjectStore

log = get_logger(__name__)

MOST_AT_ONCE = 1000
RUNS_TIDIED_AT_ONCE = 10  # each lists a folder of the store


@dataclass(frozen=True, slots=True)
class SweepLimits:
    """Limits of a sweep.

    `resend_after` is the time after which a sent task counts as lost; too short a time only sends twice. `orphan_grace`
    exceeds the time for which a worker may work on a shard that it has lost. Leases could not be renewed while the
    database was down, so none expires until it has been up for the time of a `lease`.
    """

    shards_in_flight: int
    max_shard_attempts: int
    resend_after: timedelta = timedelta(seconds=30)
    orphan_grace: timedelta = timedelta(hours=1)
    heartbeat_retention: timedelta = timedelta(days=1)
    lease: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Swept:
    """Counts of a sweep, for the log."""

    leases_expired: int
    shards_resent: int
    plans_resent: int
    finishes_resent: int
    shards_dispatched: int
    parts_deleted: int
    listings_resent: int = 0
    exports_resent: int = 0
    comparisons_resent: int = 0


def sweep(engine: Engine, queue: TaskQueue, store: ObjectStore, limits: SweepLimits) -> Swept:
    expired = sum(_expire(engine, run_id, limits) for run_id in _runs_with_expired_leases(engine, limits.lease))
    shards = sum(
        _resend_shards(engine, queue, pool, limits.resend_after) for pool in _pools_short_of_tasks(engine, queue)
    )
    with transaction(engine) as session:
        listings = resend_listings(session, queue, limits.resend_after, MOST_AT_ONCE)
    with transaction(engine) as session:
        plans = _resend_plans(session, queue, limits.resend_after)
    with transaction(engine) as session:
        finishes = _resend_finishes(session, queue, limits.resend_after)
    dispatched = 0
    for run_id in _runs_to_dispatch(engine, limits.shards_in_flight):
        with transaction(engine) as session:
            dispatched += dispatch_run(session, queue, run_id, limits.shards_in_flight)
    with transaction(engine) as session:
        oldest = func.now() - limits.heartbeat_retention
        session.execute(delete(WorkerHeartbeat).where(WorkerHeartbeat.seen_at < oldest))
    untidy = _untidy_runs(engine, limits)
    deleted = _tidy_all(engine, store, untidy, limits.orphan_grace) if untidy else 0
    return Swept(expired, shards, plans, finishes, dispatched, deleted, listings)


def _runs_with_expired_leases(engine: Engine, lease: timedelta) -> list[uuid.UUID]:
    query = select(Shard.run_id).where(
        Shard.state == ShardState.LEASED,
        Shard.lease_expires_at < func.now(),
        func.pg_postmaster_start_time() < func.now() - lease,
    )
    with transaction(engine) as session:
        return list(session.scalars(query.distinct().order_by(Shard.run_id)))


def _expire(engine: Engine, run_id: uuid.UUID, limits: SweepLimits) -> int:
    with transaction(engine) as session:
        return expire_leases(session, run_id, limits.max_shard_attempts)


def _pools_short_of_tasks(engine: Engine, queue: TaskQueue) -> list[str]:
    """Return the pools with fewer tasks in their queue than queued shards.

    In the other pools shards only wait for busy workers, perhaps for hours; sending them again at every sweep would
    fill the broker.
    """
    query = select(Run.pool, func.count()).join(Shard, Shard.run_id == Run.id).where(Shard.state == ShardState.QUEUED)
    with transaction(engine) as session:
        queued = session.execute(query.group_by(Run.pool).order_by(Run.pool)).all()
    try:
        return [pool for pool, shards in queued if queue.waiting(pool_queue(pool)) < shards]
    except QueueUnavailable as error:
        log.warning("queue.unavailable", reason=error.message)
        return []


def _resend_shards(engine: Engine, queue: TaskQueue, pool: str, after: timedelta) -> int:
    stale = (
        select(Shard.id)
        .join(Run, Run.id == Shard.run_id)
        .where(Run.pool == pool, Shard.state == ShardState.QUEUED, Shard.sent_at < func.now() - after)
        .order_by(Shard.sent_at)
        .limit(MOST_AT_ONCE)
        .with_for_update(skip_locked=True, of=Shard)
        .cte("stale")
    )
    chosen = update(Shard).where(Shard.id.in_(select(stale.c.id))).values(sent_at=func.now())
    with transaction(engine) as session:
        sent = session.scalars(chosen.returning(Shard.id)).all()
        of_jobs = select(Shard.id, Job.correlation_id).join(Run, Run.id == Shard.run_id).join(Job, Job.id == Run.job_id)
        for shard_id, correlation in session.execute(of_jobs.where(Shard.id.in_(sent)).order_by(Shard.id)):
            name = pool_queue(pool)
            wake_after_commit(session, queue, TaskName.SEGMENT, shard_id, queue_name=name, correlation=correlation)
    return len(sent)


def _mark_sent(table: type[Job | Run], *stale: ColumnElement[bool]) -> Update:
    """Set `sent_at` of at most `MOST_AT_ONCE` stale rows that no other transaction holds."""
    rows = select(table.id).where(*stale).limit(MOST_AT_ONCE)
    free = rows.with_for_update(skip_locked=True, key_share=True).cte("stale")
    return update(table).where(table.id.in_(select(free.c.id))).values(sent_at=func.now())


def _resend_plans(session: Session, queue: TaskQueue, after: timedelta) -> int:
    chosen = _mark_sent(Job, Job.state == JobState.QUEUED, Job.sent_at < func.now() - after)
    sent = session.execute(chosen.returning(Job.id, Job.correlation_id)).all()
    for job_id, correlation in sent:
        wake_after_commit(session, queue, TaskName.PLAN, str(job_id), correlation=correlation)
    return len(sent)


def _resend_finishes(session: Session, queue: TaskQueue, after: timedelta) -> int:
    chosen = _mark_sent(Run, Run.state == RunState.FINISHING, Run.sent_at < func.now() - after)
    sent = session.scalars(chosen.returning(Run.id)).all()
    of_jobs = select(Run.id, Job.correlation_id).join(Job, Job.id == Run.job_id).where(Run.id.in_(sent))
    for run_id, correlation in session.execute(of_jobs):
        wake_after_commit(session, queue, TaskName.FINISH, str(run_id), correlation=correlation)
    return len(sent)


def _runs_to_dispatch(engine: Engine, shards_in_flight: int) -> list[uuid.UUID]:
    """Return the running runs with shards to queue and fewer in flight than the limit.

    Nearly all running runs have their shards in flight. A transaction for each of thousands would take longer than the
    time between two sweeps.
    """
    ready = exists().where(
        Shard.run_id == Run.id,
        Shard.state == ShardState.PENDING,
        or_(Shard.not_before.is_(None), Shard.not_before <= func.now()),
    )
    states = ShardState.QUEUED, ShardState.LEASED
    in_flight = select(func.count()).where(Shard.run_id == Run.id, Shard.state.in_(states)).scalar_subquery()
    has_room = in_flight < shards_in_flight
    with transaction(engine) as session:
        return list(
            session.scalars(select(Run.id).where(Run.state == RunState.RUNNING, ready, has_room).order_by(Run.id))
        )


def _untidy_runs(engine: Engine, limits: SweepLimits) -> list[uuid.UUID]:
    query = (
        select(Run.id)
        .where(Run.tidied_at.is_(None), Run.finished_at < func.now() - limits.orphan_grace)
        .order_by(Run.finished_at)
        .limit(RUNS_TIDIED_AT_ONCE)
    )
    with transaction(engine) as session:
        return list(session.scalars(query))


def _tidy_all(engine: Engine, store: ObjectStore, run_ids: Sequence[uuid.UUID], grace: timedelta) -> int:
    """Tidy the runs, unless a backup holds the objects. Return the number of parts deleted."""
    with may_delete_objects(engine) as allowed:
        if not allowed:
            return 0
        store.discard_unfinished(grace)
        return sum(_tidy(engine, store, run_id, grace) for run_id in run_ids)


def _tidy(engine: Engine, store: ObjectStore, run_id: uuid.UUID, grace: timedelta) -> int:
    """Delete the parts of a finished run that no result refers to, and return their number.

    Parts younger than `grace` by the database's clock stay; then the run is not marked as tidied and is checked again.
    """
    with transaction(engine) as session:
        recorded = set(recorded_parts(session, run_id))
        limit = now(session) - grace
    orphans = [found for found in store.list(parts_prefix(run_id)) if found.key not in recorded]
    old = [found for found in orphans if found.modified < limit]
    for orphan in old:
        store.delete(orphan.key)
    if len(old) == len(orphans):
        with transaction(engine) as session:
            session.execute(update(Run).where(Run.id == run_id).values(tidied_at=func.now()))
    return len(old)
