from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from fixtures.worker.job_rows import claim_one, make_dataset, make_job, record_one, reload, shards_of, start_job
from samfleet.db.models import Job, JobState, Run, RunState, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.cancel import JobFinished, cancel_job
from samfleet.jobs.claim import Fault, claim, release, wait_for_room
from samfleet.jobs.delete import delete_job
from samfleet.jobs.dispatch import dispatch_run
from samfleet.jobs.finish import finish_run
from samfleet.jobs.pause import pause_job, resume_job
from samfleet.jobs.plan import plan_job
from samfleet.jobs.queue import MemoryTaskQueue, SentTask
from samfleet.jobs.stall import Reason
from samfleet.jobs.sweep import SweepLimits, sweep
from samfleet.jobs.variant_turns import begin_waiting
from samfleet.storage.memory_store import MemoryStore

MINUTE = timedelta(minutes=1)
AT_ONCE = SweepLimits(shards_in_flight=100, max_shard_attempts=3, resend_after=timedelta(0))


def pause(engine: Engine, run: Run) -> None:
    job, _ = reload(engine, run)
    with transaction(engine) as session:
        pause_job(session, job.tenant_id, job.id)


def resume(engine: Engine, queue: MemoryTaskQueue, run: Run) -> None:
    job, _ = reload(engine, run)
    with transaction(engine) as session:
        resume_job(session, queue, job.tenant_id, job.id)


def states(engine: Engine, run: Run) -> tuple[JobState, RunState, list[str]]:
    job, now = reload(engine, run)
    return job.state, now.state, [shard.state.value for shard in shards_of(engine, run)]


def test_a_claimed_shard_finishes_and_nothing_new_starts(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 12)
    claimed = claim_one(engine, run)
    for _ in range(2):
        pause(engine, run)
    assert states(engine, run) == (JobState.PAUSED, RunState.PAUSED, ["leased", "pending", "pending"])
    queue.sent.clear()
    record_one(engine, queue, store, claimed)
    with transaction(engine) as session:
        assert dispatch_run(session, queue, run.id, 100) == 0
    sweep(engine, queue, store, AT_ONCE)
    assert states(engine, run) == (JobState.PAUSED, RunState.PAUSED, ["done", "pending", "pending"])
    assert queue.sent == []
    for _ in range(2):
        resume(engine, queue, run)
    assert queue.sent == [SentTask("jobs.dispatch", (str(run.id),), "samfleet.control")]
    with transaction(engine) as session:
        assert dispatch_run(session, queue, run.id, 100) == 2
    for _ in range(2):
        record_one(engine, queue, store, claim_one(engine, run))
    finish_run(engine, store, run.id)
    assert states(engine, run) == (JobState.COMPLETED, RunState.COMPLETED, ["done"] * 3)


def test_the_sweep_resumes_a_job_whose_message_was_lost(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 8)
    pause(engine, run)
    queue.down = True
    resume(engine, queue, run)
    queue.down = False
    assert sweep(engine, queue, store, AT_ONCE).shards_dispatched == 2


def test_a_paused_job_without_open_shards_ends(engine: Engine) -> None:
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 4)
    claimed = claim_one(engine, run)
    pause(engine, run)
    record_one(engine, queue, store, claimed)
    assert states(engine, run)[:2] == (JobState.PAUSED, RunState.FINISHING)
    finish_run(engine, store, run.id)
    assert states(engine, run)[:2] == (JobState.COMPLETED, RunState.COMPLETED)
    with pytest.raises(JobFinished, match="is completed; it cannot be paused"):
        pause(engine, run)
    with pytest.raises(JobFinished, match="is completed; it cannot be resumed"):
        resume(engine, queue, run)


def test_a_job_paused_before_its_plan_is_planned_when_it_resumes(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    with transaction(engine) as session:
        job = make_job(session, queue, make_dataset(session, 4))
        pause_job(session, job.tenant_id, job.id)
    queue.sent.clear()
    plan_job(engine, queue, job.id, shard_size=4, shards_in_flight=100)
    assert sweep(engine, queue, MemoryStore(), AT_ONCE).plans_resent == 0
    assert _job(engine, job).state is JobState.PAUSED
    with transaction(engine) as session:
        assert resume_job(session, queue, job.tenant_id, job.id).state is JobState.QUEUED
    assert [task.task for task in queue.sent] == ["jobs.plan"]
    plan_job(engine, queue, job.id, shard_size=4, shards_in_flight=100)
    assert _job(engine, job).state is JobState.RUNNING


def _job(engine: Engine, job: Job) -> Job:
    with transaction(engine) as session:
        return session.get_one(Job, job.id)


def test_a_paused_run_waits_for_no_turn_and_is_not_stalled(engine: Engine) -> None:
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 8)
    with transaction(engine) as session:
        begin_waiting(session, run.id)
    first, second = claim_one(engine, run), claim_one(engine, run)
    pause(engine, run)
    reason = Reason("variant_waits", "no memory")
    with transaction(engine) as session:
        assert wait_for_room(session, first, reason, retry_in=MINUTE)
        begin_waiting(session, run.id)
        assert release(session, second, error=reason, retry_in=MINUTE, max_attempts=3, fault=Fault.NOBODY)
    _, now = reload(engine, run)
    assert (now.waiting_since, now.turn_since, now.stalled_code) == (None, None, None)
    assert states(engine, run) == (JobState.PAUSED, RunState.PAUSED, ["pending", "pending"])


def test_a_paused_job_is_cancelled_and_deleted(engine: Engine) -> None:
    run = start_job(engine, MemoryTaskQueue(), 8)
    pause(engine, run)
    job, _ = reload(engine, run)
    with transaction(engine) as session:
        cancel_job(session, job.tenant_id, job.id)
    assert states(engine, run) == (JobState.CANCELLED, RunState.CANCELLED, ["cancelled"] * 2)
    other = start_job(engine, MemoryTaskQueue(), 5)
    pause(engine, other)
    job, _ = reload(engine, other)
    with transaction(engine) as session:
        delete_job(session, job.tenant_id, job.id, cancel=True)
    assert reload(engine, other)[0].deleted_at is not None


@pytest.mark.parametrize("claim_first", [True, False])
def test_a_claim_and_a_pause_at_once_leave_the_shard_to_one_of_them(engine: Engine, claim_first: bool) -> None:
    """The second transaction waits for the row lock of the first and then sees its change."""
    run = start_job(engine, MemoryTaskQueue(), 4)
    job, _ = reload(engine, run)
    (shard,) = shards_of(engine, run, ShardState.QUEUED)
    claimed = []

    def claim_shard() -> None:
        with transaction(engine) as session:
            claimed.append(claim(session, shard.id, "w1", MINUTE))

    def pause_it() -> None:
        with transaction(engine) as session:
            pause_job(session, job.tenant_id, job.id)

    second = threading.Thread(target=pause_it if claim_first else claim_shard)
    with transaction(engine) as session:
        if claim_first:
            claimed.append(claim(session, shard.id, "w1", MINUTE))
        else:
            pause_job(session, job.tenant_id, job.id)
        second.start()
        _await_blocked(engine)
    second.join(timeout=60)
    assert not second.is_alive()
    assert (claimed[0] is not None) == claim_first
    assert states(engine, run) == (JobState.PAUSED, RunState.PAUSED, ["leased" if claim_first else "pending"])


def _await_blocked(engine: Engine) -> None:
    """Return once a transaction of this database waits for a lock."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(10_000):
        with engine.connect() as connection:
            if connection.execute(waiting).scalar_one():
                return
    raise AssertionError("no transaction waits for a lock")
