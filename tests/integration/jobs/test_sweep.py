from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier

from sqlalchemy import Engine, event, func, select, text, update
from structlog.contextvars import bound_contextvars

from fixtures.worker.job_rows import MINUTE, claim_one, make_dataset, make_job, record_one, reload, shards_of, start_job
from samfleet.db.models import Job, Run, RunState, Shard, ShardState, WorkerHeartbeat
from samfleet.db.session import transaction
from samfleet.jobs.claim import release, renew
from samfleet.jobs.finish import finish_run
from samfleet.jobs.parts import part_key
from samfleet.jobs.queue import CORRELATION_HEADER, MemoryTaskQueue
from samfleet.jobs.stall import Reason
from samfleet.jobs.sweep import SweepLimits, Swept, sweep
from samfleet.storage.memory_store import MemoryStore

LIMITS = SweepLimits(shards_in_flight=2, max_shard_attempts=3)
NOTHING = Swept(0, 0, 0, 0, 0, 0)
LONG_AGO = text("now() - interval '1 day'")


def test_a_sweep_without_work_changes_nothing(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    start_job(engine, queue, 12, in_flight=2)
    sent = list(queue.sent)
    assert sweep(engine, queue, MemoryStore(), LIMITS) == NOTHING
    assert queue.sent == sent


def test_the_shard_of_a_dead_worker_is_dispatched_again(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 12, in_flight=2)
    claimed = claim_one(engine, run)
    with transaction(engine) as session:
        session.execute(update(Shard).where(Shard.id == claimed.shard_id).values(lease_expires_at=LONG_AGO))
    queue.sent.clear()
    assert sweep(engine, queue, MemoryStore(), LIMITS) == Swept(1, 0, 0, 0, 1, 0)
    assert [task.args for task in queue.sent] == [(claimed.shard_id,)]
    shard = shards_of(engine, run)[0]
    assert (shard.suspect, shard.attempts) == (True, 0)


def test_no_lease_expires_before_workers_can_renew_after_a_database_restart(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 4)
    claimed = claim_one(engine, run)
    with transaction(engine) as session:
        session.execute(update(Shard).values(lease_expires_at=LONG_AGO))
    just_started = replace(LIMITS, lease=timedelta(days=10_000))
    assert sweep(engine, queue, MemoryStore(), just_started).leases_expired == 0
    with transaction(engine) as session:
        assert renew(session, claimed.shard_id, claimed.token, 1, MINUTE)
    assert sweep(engine, queue, MemoryStore(), LIMITS).leases_expired == 0


def test_tasks_lost_by_redis_are_sent_again_but_not_in_every_sweep(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(down=True), MemoryStore()
    with bound_contextvars(correlation_id="asked-by-ann"), transaction(engine) as session:
        run = start_job(engine, queue, 12, in_flight=2)
        unplanned = make_job(session, queue, make_dataset(session, 3))
        tail = Run(job_id=run.job_id, variant="mobile_sam", pool="other", task={}, total=4, state=RunState.FINISHING)
        session.add(tail)
        session.flush()
        for table in (Job, Run, Shard):
            session.execute(update(table).values(sent_at=LONG_AGO))
    queue.down = False
    assert sweep(engine, queue, store, LIMITS) == Swept(0, 2, 1, 1, 0, 0)
    queued = [shard.id for shard in shards_of(engine, run, ShardState.QUEUED)]
    assert {(task.task, task.args[0]) for task in queue.sent} == {
        ("jobs.plan", str(unplanned.id)),
        ("jobs.finish", str(tail.id)),
        *(("shards.segment", shard_id) for shard_id in queued),
    }
    assert {task.headers[CORRELATION_HEADER] for task in queue.sent} == {"asked-by-ann"}
    assert sweep(engine, queue, store, LIMITS) == NOTHING


def test_tasks_waiting_for_busy_workers_are_not_sent_again(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    start_job(engine, queue, 12, in_flight=2)
    with transaction(engine) as session:
        session.execute(update(Shard).values(sent_at=LONG_AGO))
    sent = list(queue.sent)
    assert sweep(engine, queue, MemoryStore(), LIMITS) == NOTHING
    assert queue.sent == sent


def test_a_shard_is_dispatched_when_its_back_off_ends(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 4)
    for retry_in in (timedelta(hours=1), timedelta(0)):
        claimed = claim_one(engine, run)
        with transaction(engine) as session:
            assert release(
                session, claimed, error=Reason("triton_unavailable", "down"), retry_in=retry_in, max_attempts=9
            )
        dispatched = sweep(engine, queue, MemoryStore(), LIMITS).shards_dispatched
        assert dispatched == (0 if retry_in else 1)
        with transaction(engine) as session:
            session.execute(update(Shard).values(not_before=None))
        sweep(engine, queue, MemoryStore(), LIMITS)


def test_full_runs_cost_a_sweep_no_transaction_each(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    start_job(engine, queue, 12, in_flight=2)
    transactions: list[str] = []
    event.listen(engine, "begin", lambda _: transactions.append("begin"))
    sweep(engine, queue, MemoryStore(), LIMITS)
    with_one = len(transactions)
    for images in (13, 14, 15):
        start_job(engine, queue, images, in_flight=2)
    transactions.clear()
    assert sweep(engine, queue, MemoryStore(), LIMITS) == NOTHING
    assert len(transactions) == with_one
    assert sweep(engine, queue, MemoryStore(), replace(LIMITS, shards_in_flight=3)).shards_dispatched == 4


def test_concurrent_sweeps_do_the_work_once(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 40, in_flight=4)
    for _ in range(4):
        claim_one(engine, run)
    with transaction(engine) as session:
        session.execute(update(Shard).where(Shard.state == ShardState.LEASED).values(lease_expires_at=LONG_AGO))
    barrier = Barrier(2)

    def go(_: int) -> Swept:
        barrier.wait()
        return sweep(engine, queue, MemoryStore(), LIMITS)

    with ThreadPoolExecutor(2) as pool:
        swept = list(pool.map(go, range(2)))
    assert sum(one.leases_expired for one in swept) == 4
    assert len(shards_of(engine, run, ShardState.QUEUED)) == LIMITS.shards_in_flight
    assert sorted(shard.suspect for shard in shards_of(engine, run)) == [False] * 6 + [True] * 4


def test_old_unreferenced_parts_are_deleted(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4)
    record_one(engine, queue, store, claim_one(engine, run))
    finish_run(engine, store, run.id)
    orphan = part_key(run.id, 0, 9)
    store.put(orphan, b"written by a worker that had lost its lease")
    assert sweep(engine, queue, store, LIMITS) == NOTHING  # the run finished recently
    with transaction(engine) as session:
        session.execute(update(Run).values(finished_at=LONG_AGO))
    assert sweep(engine, queue, store, LIMITS) == NOTHING  # the part is recent: its writer may be running
    assert reload(engine, run)[1].tidied_at is None
    eager = SweepLimits(2, 3, orphan_grace=timedelta(microseconds=1))
    assert sweep(engine, queue, store, eager).parts_deleted == 1
    assert not store.exists(orphan)
    assert store.exists(part_key(run.id, 0, 1))
    assert reload(engine, run)[1].tidied_at is not None


def test_rows_of_workers_long_gone_are_deleted(engine: Engine) -> None:
    with transaction(engine) as session:
        for name, seen in (("old", text("now() - interval '2 days'")), ("new", func.now())):
            session.add(
                WorkerHeartbeat(
                    worker=name, pool="default", started_at=seen, seen_at=seen, triton_ready=True, detail={}
                )
            )
    sweep(engine, MemoryTaskQueue(), MemoryStore(), LIMITS)
    with transaction(engine) as session:
        assert session.scalars(select(WorkerHeartbeat.worker)).all() == ["new"]
