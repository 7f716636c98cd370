"""Cutting the runs of a job into shards.

The positions of a sealed dataset are dense from 0, so a shard is a range and no image has to be read. Shards are
written in pages, each its own transaction. A planner that is killed leaves whole pages; the next one writes the
rest, and pages that exist already stay as they are: (run, index) is unique.
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

PAGE_SHARDS = 1000  # 32,000 images of the usual size a transaction: tens of milliseconds
LEAST_IMAGES = 4  # below this a shard is mostly overhead: one claim, one part file, one record
LEAST_SHARDS = 8  # enough to spread over workers and to show progress


def choose_shard_size(images: int, largest: int) -> int:
    """`largest` amortises claim, part file and record, and bounds what a lost worker repeats. A small dataset is
    cut finer, because 60 images in two shards would use two workers and show progress twice.
    """
    return min(largest, max(LEAST_IMAGES, ceil(images / LEAST_SHARDS)))


def plan_job(engine: Engine, queue: TaskQueue, job_id: uuid.UUID, *, shard_size: int, shards_in_flight: int) -> None:
    """Write all shards of a queued job, then start its runs; nothing happens to a job in any other state."""
    with transaction(engine) as session:
        runs = session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.variant, Run.pool)).all()
    for run in runs:
        size = _size_begun(engine, run) or choose_shard_size(run.total, shard_size)
        for first in range(0, ceil(run.total / size), PAGE_SHARDS):
            if not _write_page(engine, run, size, first):
                return
    with transaction(engine) as session:
        _start(session, queue, job_id, shards_in_flight)


def _size_begun(engine: Engine, run: Run) -> int | None:
    """The size that an interrupted planner used; another one would leave gaps between its pages and ours."""
    with transaction(engine) as session:
        begun = session.scalars(select(Shard).where(Shard.run_id == run.id, Shard.index == 0)).one_or_none()
    return begun.last_position - begun.first_position + 1 if begun else None


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
