"""Dispatch of shards: at most N of a run are in flight (queued or leased), the rest waits in PostgreSQL.

So a long job does not fill a pool's queue ahead of a short one, and a cancelled job leaves almost nothing in Redis.
"""

from __future__ import annotations

import uuid

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from samfleet.db.models import Job, Run, RunState, Shard, ShardState
from samfleet.jobs.queue import TaskName, TaskQueue, pool_queue, wake_after_commit


def dispatch_run(session: Session, queue: TaskQueue, run_id: uuid.UUID, shards_in_flight: int) -> int:
    """Queue shards of a run up to the limit and return the number queued.

    The run's row lock serialises dispatchers, so together they do not exceed the limit.
    """
    query = select(Run).where(Run.id == run_id, Run.state == RunState.RUNNING).with_for_update(key_share=True)
    run = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    if run is None:
        return 0
    free = shards_in_flight - _in_flight(session, run_id)
    if free <= 0:
        return 0
    ready = (
        select(Shard.id)
        .where(
            Shard.run_id == run_id,
            Shard.state == ShardState.PENDING,
            or_(Shard.not_before.is_(None), Shard.not_before <= func.now()),
        )
        .order_by(Shard.index)
        .limit(free)
        .with_for_update(skip_locked=True)
        .cte("ready")  # evaluated once; a subquery may run again and find more rows than the limit
    )
    chosen = session.scalars(
        update(Shard)
        .where(Shard.id.in_(select(ready.c.id)))
        .values(state=ShardState.QUEUED, queued_at=func.now(), sent_at=func.now())
        .returning(Shard.id)
    ).all()
    name = pool_queue(run.pool)
    correlation = session.scalars(select(Job.correlation_id).where(Job.id == run.job_id)).one()
    for shard_id in sorted(chosen):
        wake_after_commit(session, queue, TaskName.SEGMENT, shard_id, queue_name=name, correlation=correlation)
    return len(chosen)


def _in_flight(session: Session, run_id: uuid.UUID) -> int:
    # As a subquery the id is unknown to the planner. For the id of a large run it expects most shards in flight to be
    # of this run, and reads those of all runs.
    own = select(Run.id).where(Run.id == run_id).scalar_subquery()
    states = ShardState.QUEUED, ShardState.LEASED
    return session.scalars(select(func.count()).where(Shard.run_id == own, Shard.state.in_(states))).one()
