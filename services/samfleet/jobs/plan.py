"""Division of a job's runs into shards.

The positions of a sealed dataset are dense from 0, so a shard is a range and no image has to be read. Shards are
written in pages, one transaction each. A planner that is killed leaves complete pages. The next planner writes the
missing ones and does not change those that exist: (run, index) is unique.
"""

from __future__ import annotations

import uuid
from math import ceil

from sqlalchemy import Engine, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.models import JobState, Run, RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.queue import TaskQueue
from samfleet.jobs.stall import get_on
from samfleet.jobs.states import lock_job, move_job, move_run

PAGE_SHARDS = 1000  # at the default shard size 32,000 images a transaction, which takes tens of milliseconds
LEAST_IMAGES = 4  # a smaller shard is mostly overhead: one claim, one part file, one record
LEAST_SHARDS = 8  # enough to use several workers and to show progress


def choose_shard_size(images: int, largest: int) -> int:
    """Return the shard size for a number of images, at most `largest`.

    `largest` amortises claim, part file and record, and bounds the work that is repeated after a lost worker. A small
    dataset gets smaller shards: 60 images in two shards would use two workers and show progress twice.
    """
    return min(largest, max(LEAST_IMAGES, ceil(images / LEAST_SHARDS)))


def plan_job(engine: Engine, queue: TaskQueue, job_id: uuid.UUID, *, shard_size: int, shards_in_flight: int) -> None:
    """Write all shards of a queued job, then start its runs. A job in any other state stays unchanged."""
    with transaction(engine) as session:
        runs = session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.variant, Run.pool)).all()
    for run in runs:
        size = _existing_size(engine, run) or choose_shard_size(run.total, shard_size)
        for first in range(0, ceil(run.total / size), PAGE_SHARDS):
            if not _write_page(engine, run, size, first):
                return
    with transaction(engine) as session:
        _start(session, queue, job_id, shards_in_flight)


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
