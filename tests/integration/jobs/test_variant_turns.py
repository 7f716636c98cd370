"""Choice of the shard that a worker takes when a place is free."""

from __future__ import annotations

from sqlalchemy import Engine, select

from fixtures.worker.job_rows import MINUTE, shards_of, start_job
from samfleet.db.models import Run, Shard
from samfleet.db.session import transaction
from samfleet.jobs.claim import claim
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.variant_turns import fairest_shard


def messages(queue: MemoryTaskQueue) -> list[int]:
    return [int(task.args[0]) for task in queue.sent if task.task == "shards.segment"]


def take(engine: Engine, message: int) -> Shard | None:
    """Take a shard as a worker does on a message."""
    with transaction(engine) as session:
        claimed = claim(session, fairest_shard(session, message), "worker", MINUTE)
        return None if claimed is None else session.get_one(Shard, claimed.shard_id)


def test_a_small_job_gets_the_next_free_place_next_to_a_big_one(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    big = start_job(engine, queue, 80)
    busy = [take(engine, message) for message in messages(queue)[:4]]  # all places of the worker
    assert [shard.run_id for shard in busy if shard] == [big.id] * 4
    small = start_job(engine, queue, 4)
    waiting = messages(queue)[4:]
    assert len(waiting) == 17
    free = take(engine, waiting[0])  # the message is one of the big job's sixteen
    assert free is not None
    assert free.run_id == small.id


def test_every_message_finds_a_shard_in_any_order(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    runs = [start_job(engine, queue, 24), start_job(engine, queue, 12), start_job(engine, queue, 4)]
    taken = [take(engine, message) for message in messages(queue)]
    assert sorted(shard.id for shard in taken if shard) == sorted(s.id for run in runs for s in shards_of(engine, run))
    order = [shard.run_id for shard in taken if shard]
    assert order[:3] == [runs[0].id, runs[1].id, runs[2].id]
    assert order.count(runs[0].id) == 6
    assert take(engine, messages(queue)[0]) is None


def test_jobs_of_other_pools_are_ignored(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    big = start_job(engine, queue, 12)
    take(engine, messages(queue)[0])
    with transaction(engine) as session:
        other = session.get_one(Run, start_job(engine, queue, 4).id)
        other.pool = "elsewhere"
    found = take(engine, messages(queue)[1])
    assert found is not None
    assert found.run_id == big.id
    with transaction(engine) as session:
        assert session.scalars(select(Shard.state).where(Shard.run_id == other.id)).one().value == "queued"
