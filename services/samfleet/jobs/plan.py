"""Division of a job's runs into shards.

The positions of a sealed dataset are dense from 0, so a shard is a range and no image has to be read. Shards are
written in pages, one transaction each. A planner that is killed leaves complete pages. The next planner writes the
missing ones and does not change those that exist: (run, index) is unique.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from math import ceil

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import JobState, Run, RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.queue import TaskQueue
from samfleet.jobs.shard_sizes import choose_shard_size, images_in_time
from samfleet.jobs.stall import get_on
from samfleet.jobs.states import lock_job, move_job, move_run

PAGE_SHARDS = 1000  # at 32 images a shard 32,000 images a transaction, which takes tens of milliseconds


def plan_job(
    engine: Engine,
    queue: TaskQueue,
    job_id: uuid.UUID,
    *,
    shard_size: int,
    shards_in_flight: int,
    shard_time: timedelta | None = None,
) -> None:
    """Write all shards of a queued job, then start its runs. A job in any other state stays unchanged.

    A shard has at most `shard_size` images, and those that take `shard_time` if the speed of its run is known.
    """
    with transaction(engine) as session:
        runs = session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.variant, Run.pool)).all()
    for run in runs:
        size = _existing_size(engine, run) or _size(engine, run, shard_size, shard_time)
        for first in range(0, ceil(run.total / size), PAGE_SHARDS):
            if not _write_page(engine, run, size, first):
                return
    with transaction(engine) as session:
        _start(session, queue, job_id, shards_in_flight)


def _size(engine: Engine, run: Run, most: int, shard_time: timedelta | None) -> int:
    if shard_time is None:
        return choose_shard_size(run.total, most)
    with transaction(engine) as session:
        return choose_shard_size(run.total, most, images_in_time(session, run, shard_time))


def _existing_size(engine: Engine, run: Run) -> int | None:
    """Return the shard size of an interrupted planner; another size would leave gaps between its pages and ours."""
    with transaction(engine) as session:
        first = session.scalars(select(Shard).where(Shard.run_id == run.id, Shard.index == 0)).one_or_none()
    return first.last_position - first.first_position + 1 if first else None


def _write_page(engine: Engine, run: Run, size: int, first: int) -> bool:
    last = min(first + PAGE_SHARDS, ceil(run.total / size))
    rows = [
        {
            "run_id": run.id,
            "index": index,
            "first_position": index * size,
            "last_position": min((index + 1) * size, run.total) - 1,
            "state": ShardState.PENDING,
        }
        for index in range(first, last)
    ]
    with transaction(engine) as session:
        job = lock_job(session, run.job_id)
        if job is None or job.state is not JobState.QUEUED:
            return False
        session.execute(insert(Shard).on_conflict_do_nothing(index_elements=["run_id", "index"]), rows)
    return True


def _start(session: Session, queue: TaskQueue, job_id: uuid.UUID, shards_in_flight: int) -> None:
    job = lock_job(session, job_id)
    if job is None or job.state is not JobState.QUEUED:
        return
    move_job(session, job, JobState.RUNNING)
    for run in session.scalars(
        select(Run).where(Run.job_id == job_id).order_by(Run.id).with_for_update(key_share=True)
    ).all():
        get_on(run)
        move_run(session, run, RunState.RUNNING)
        dispatch_run(session, queue, run.id, shards_in_flight)
