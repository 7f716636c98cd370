from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, delete, select, text, update
from sqlalchemy.orm import Session

from fixtures.worker.job_rows import EVERYTHING, make_dataset, make_job, reload, shards_of, start_job
from samfleet.db.models import JobEvent, JobState, Run, RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs import plan
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.plan import plan_job
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.shard_sizes import choose_shard_size, images_in_time

FINER = {**EVERYTHING, "points_per_side": 8}


def submitted(engine: Engine, queue: MemoryTaskQueue, images: int) -> Run:
    with transaction(engine) as session:
        job = make_job(session, queue, make_dataset(session, images))
        return session.scalars(select(Run).where(Run.job_id == job.id)).one()


def end(session: Session, run: Run, *, hour: int, shard_seconds: int) -> None:
    """Let every shard of a run take as many seconds, and the run end in the given hour."""
    begun = datetime(2026, 1, 1, hour, tzinfo=UTC)
    ended = begun + timedelta(seconds=shard_seconds)
    session.execute(update(Shard).where(Shard.run_id == run.id).values(claimed_at=begun, finished_at=ended))
    session.execute(update(Run).where(Run.id == run.id).values(finished_at=ended, succeeded=run.total))


def ranges(engine: Engine, run: Run) -> list[tuple[int, int, int]]:
    return [(shard.index, shard.first_position, shard.last_position) for shard in shards_of(engine, run)]


@pytest.mark.parametrize(("images", "size"), [(1, 4), (32, 4), (66, 9), (256, 32), (100_000, 32)])
def test_small_datasets_have_smaller_shards(images: int, size: int) -> None:
    assert choose_shard_size(images, 256) == size
    assert choose_shard_size(images, 2) == 2


@pytest.mark.parametrize(("in_time", "size"), [(1, 1), (50, 50), (10_000, 256)])
def test_a_known_speed_decides_the_size(in_time: int, size: int) -> None:
    assert choose_shard_size(100_000, 256, in_time) == size


def test_the_speed_is_that_of_the_last_run_alike(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    tasks = (EVERYTHING, EVERYTHING, FINER)
    slow, quick, other = (start_job(engine, queue, 8 + 4 * number, task=task) for number, task in enumerate(tasks))
    with transaction(engine) as session:
        for hour, (run, seconds) in enumerate(((slow, 8), (quick, 2), (other, 1))):
            end(session, run, hour=hour, shard_seconds=seconds)
    new = submitted(engine, queue, 100)
    with transaction(engine) as session:
        assert images_in_time(session, new, timedelta(seconds=5)) == 10  # quick: 4 images in 2 s
        assert images_in_time(session, new, timedelta(milliseconds=1)) == 1
        elsewhere = Run(variant=new.variant, pool="another", task=new.task)
        assert images_in_time(session, elsewhere, timedelta(seconds=5)) is None
    plan_job(engine, queue, new.job_id, shard_size=256, shards_in_flight=0, shard_time=timedelta(seconds=5))
    assert ranges(engine, new)[0] == (0, 0, 9)


def test_a_plan_covers_every_image_once_and_starts_the_run(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = submitted(engine, queue, 9)
    plan_job(engine, queue, run.job_id, shard_size=4, shards_in_flight=2)
    assert ranges(engine, run) == [(0, 0, 3), (1, 4, 7), (2, 8, 8)]
    job, run = reload(engine, run)
    assert (job.state, run.state) == (JobState.RUNNING, RunState.RUNNING)
    assert None not in {job.started_at, run.started_at}
    states = [shard.state for shard in shards_of(engine, run)]
    assert states == [ShardState.QUEUED, ShardState.QUEUED, ShardState.PENDING]
    sent = [(task.task, task.args, task.queue) for task in queue.sent[1:]]
    assert sent == [("shards.segment", (shard.id,), "samfleet.pool.default") for shard in shards_of(engine, run)[:2]]
    with transaction(engine) as session:
        events = session.scalars(select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.id)).all()
    assert [(e.from_state, e.to_state) for e in events[2:]] == [("queued", "running"), ("queued", "running")]


def test_a_second_plan_changes_nothing(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = submitted(engine, queue, 9)
    for _ in range(2):
        plan_job(engine, queue, run.job_id, shard_size=4, shards_in_flight=1)
    assert len(ranges(engine, run)) == 3
    assert len(queue.sent) == 2


def test_a_plan_continues_after_a_killed_planner(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "PAGE_SHARDS", 2)
    queue = MemoryTaskQueue()
    run = submitted(engine, queue, 20)
    assert plan._write_page(engine, run, 4, 0)  # one page of two shards, then the planner is killed
    plan_job(engine, queue, run.job_id, shard_size=2, shards_in_flight=1)  # the setting changes
    assert ranges(engine, run) == [(index, 4 * index, 4 * index + 3) for index in range(5)]


def test_concurrent_planners_write_each_shard_once(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = submitted(engine, queue, 40)
    barrier = Barrier(2)

    def plan(_: int) -> None:
        barrier.wait()
        plan_job(engine, queue, run.job_id, shard_size=4, shards_in_flight=3)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(plan, range(2)))
    assert [index for index, _, _ in ranges(engine, run)] == list(range(10))
    assert len(shards_of(engine, run, ShardState.QUEUED)) == 3


def test_a_cancelled_job_is_not_planned(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = submitted(engine, queue, 9)
    job, _ = reload(engine, run)
    with transaction(engine) as session:
        cancel_job(session, job.tenant_id, job.id)
    plan_job(engine, queue, run.job_id, shard_size=4, shards_in_flight=1)
    assert ranges(engine, run) == []
    assert reload(engine, run)[0].state is JobState.CANCELLED


def test_concurrent_dispatchers_keep_the_limit(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 40, in_flight=0)
    barrier = Barrier(3)

    def dispatch(_: int) -> int:
        with transaction(engine) as session:
            session.execute(text("SELECT 1"))
            barrier.wait()
            return dispatch_run(session, queue, run.id, 4)

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(dispatch, range(3))) == 4
    assert [shard.index for shard in shards_of(engine, run, ShardState.QUEUED)] == [0, 1, 2, 3]
    with transaction(engine) as session:
        assert dispatch_run(session, queue, run.id, 4) == 0
        session.execute(delete(Shard).where(Shard.run_id == run.id, Shard.index == 0))
        assert dispatch_run(session, queue, run.id, 4) == 1
