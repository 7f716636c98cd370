from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import Engine, text, update

from fixtures.worker.job_rows import (
    ANNOTATED,
    DETECTED,
    MINUTE,
    claim_one,
    finished,
    record_one,
    reload,
    results_of,
    run_out,
    shards_of,
    start_job,
)
from samfleet.db.models import JobState, RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.claim import (
    ClaimedShard,
    Fault,
    LeaseLost,
    claim,
    expire_leases,
    hand_back,
    must_run_alone,
    release,
    renew,
)
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.jobs.record import record
from samfleet.jobs.stall import Reason
from samfleet.storage.memory_store import MemoryStore

QUEUE = MemoryTaskQueue()


def take(engine: Engine, shard_id: int, worker: str) -> ClaimedShard | None:
    """Claim a shard as a worker without any other work."""
    with transaction(engine) as session:
        return claim(session, shard_id, worker, MINUTE, alone=True)


def test_a_claim_returns_all_that_a_worker_needs(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 6, annotated=True, task={"kind": "prompts", "prompt": "box"})
    claimed = claim_one(engine, run)
    assert (claimed.run_id, claimed.variant, claimed.pool, claimed.token) == (run.id, "mobile_sam", "default", 1)
    assert claimed.task["prompt"] == "box"
    assert [image.image_id for image in claimed.images] == [101, 102, 103, 104]
    assert [a.annotation_id for a in claimed.images[1].annotations] == [1002, 1003]
    assert [a.annotation_id for a in claimed.images[1].instances] == [1002]
    assert 0 <= claimed.queue_shard_ms < 60_000


def test_detections_come_with_a_claim_that_requests_them(engine: Engine) -> None:
    claimed = claim_one(engine, start_job(engine, QUEUE, 3, detected=True, task=DETECTED))
    assert [[d.detection_id for d in image.detections] for image in claimed.images] == [[], [2, 3], [4, 5]]
    first = claimed.images[1].detections[0]
    assert (first.category_id, first.bbox, first.score) == (7, (2.0, 2.0, 4.0, 4.0), 0.75)
    other = claim_one(engine, start_job(engine, QUEUE, 4, annotated=True, detected=True, task=ANNOTATED))
    assert not any(image.detections for image in other.images)
    assert all(image.instances for image in other.images)


def test_only_one_of_many_concurrent_claims_succeeds(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    shard = shards_of(engine, run)[0]
    workers = 4
    barrier = Barrier(workers)

    def compete(number: int) -> ClaimedShard | None:
        with transaction(engine) as session:
            session.execute(text("SELECT 1"))
            barrier.wait()
            return claim(session, shard.id, f"w{number}", MINUTE)

    with ThreadPoolExecutor(workers) as pool:
        won = [claimed for claimed in pool.map(compete, range(workers)) if claimed]
    assert len(won) == 1
    assert shards_of(engine, run)[0].token == 1


def test_a_leased_shard_cannot_be_claimed_until_its_lease_expires(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    first = claim_one(engine, run)
    assert take(engine, first.shard_id, "w2") is None
    run_out(engine, first)
    second = take(engine, first.shard_id, "w2")
    assert second is not None
    assert (second.token, second.attempts, second.suspect) == (2, 0, True)
    run_out(engine, second)
    third = take(engine, first.shard_id, "w3")
    assert third is not None
    assert (third.token, third.attempts, third.suspect) == (3, 1, True)


def test_a_shard_with_a_lost_lease_is_claimed_only_by_a_worker_without_other_work(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    first = claim_one(engine, run)
    with transaction(engine) as session:
        assert not must_run_alone(session, first.shard_id)
    run_out(engine, first)
    for expired in (False, True):
        if expired:
            with transaction(engine) as session:
                assert expire_leases(session, run.id, 5) == 1
                session.execute(update(Shard).values(state=ShardState.QUEUED))
        with transaction(engine) as session:
            assert must_run_alone(session, first.shard_id)
            assert claim(session, first.shard_id, "busy", MINUTE) is None
    claimed = take(engine, first.shard_id, "idle")
    assert claimed is not None
    assert (claimed.suspect, claimed.attempts) == (True, 0)


def test_a_worker_with_an_expired_lease_cannot_renew_release_or_record(engine: Engine) -> None:
    run, store = start_job(engine, QUEUE, 4), MemoryStore()
    slow = claim_one(engine, run)
    run_out(engine, slow)
    quick = take(engine, slow.shard_id, "w2")
    assert quick is not None
    with transaction(engine) as session:
        assert not renew(session, slow.shard_id, slow.token, 1, MINUTE)
        assert not hand_back(session, slow)
        assert not release(session, slow, error=Reason("triton_unavailable", "late"), retry_in=MINUTE, max_attempts=1)
    with pytest.raises(LeaseLost):
        record_one(engine, QUEUE, store, slow, failed=4)
    record_one(engine, QUEUE, store, quick)
    with pytest.raises(LeaseLost):
        record_one(engine, QUEUE, store, slow, failed=4)
    with pytest.raises(LeaseLost):
        record_one(engine, QUEUE, store, quick)
    _, run = reload(engine, run)
    assert (run.succeeded, run.failed, run.masks) == (4, 0, 8)
    assert len(results_of(engine, run)) == 4


def test_concurrent_records_of_a_shard_write_once(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    claimed = claim_one(engine, run)
    barrier = Barrier(2)

    def compete(_: int) -> bool:
        with transaction(engine) as session:
            session.execute(text("SELECT 1"))
            barrier.wait()
            try:
                record(
                    session,
                    QUEUE,
                    claimed,
                    finished(claimed),
                    part_key="p",
                    part_bytes=1,
                    store_ms=1.0,
                    shards_in_flight=1,
                )
            except LeaseLost:
                return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(compete, range(2))) == [False, True]
    assert len(results_of(engine, run)) == 4


def test_a_renewal_extends_the_lease_and_stores_the_progress(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    claimed = claim_one(engine, run, lease=timedelta(seconds=1))
    before = shards_of(engine, run)[0].lease_expires_at
    with transaction(engine) as session:
        assert renew(session, claimed.shard_id, claimed.token, 3, MINUTE)
    shard = shards_of(engine, run)[0]
    assert shard.progress == 3
    assert before is not None
    assert shard.lease_expires_at is not None
    assert shard.lease_expires_at > before + timedelta(seconds=30)


def test_a_released_shard_waits_and_counts_an_attempt(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    with transaction(engine) as session:
        assert release(
            session,
            claim_one(engine, run),
            error=Reason("triton_unavailable", "Triton is down"),
            retry_in=MINUTE,
            max_attempts=5,
        )
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts, shard.last_error) == (
        ShardState.PENDING,
        1,
        "triton_unavailable: Triton is down",
    )
    assert shard.not_before is not None


@pytest.mark.parametrize(
    ("fault", "counts"),
    [(Fault.SHARD, (1, 2)), (Fault.NOBODY, (0, 0)), (Fault.UNCERTAIN, (0, 1))],
)
def test_only_failures_caused_by_the_shard_count(engine: Engine, fault: Fault, counts: tuple[int, int]) -> None:
    """An uncertain failure counts from the second one on, because then the shard ran alone."""
    run = start_job(engine, QUEUE, 4)
    attempts = []
    for _ in range(2):
        with transaction(engine) as session:
            session.execute(update(Shard).values(state=ShardState.QUEUED))
        claimed = take(engine, shards_of(engine, run)[0].id, "w1")
        assert claimed is not None
        with transaction(engine) as session:
            assert release(
                session, claimed, error=Reason("triton_unavailable", "no"), retry_in=MINUTE, max_attempts=5, fault=fault
            )
        attempts.append(shards_of(engine, run)[0].attempts)
    shard = shards_of(engine, run)[0]
    assert tuple(attempts) == counts
    assert (shard.suspect, shard.waits) == (fault is Fault.UNCERTAIN, 2 if fault is Fault.NOBODY else 0)


def test_a_shard_handed_back_counts_no_attempt(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 4)
    with transaction(engine) as session:
        assert hand_back(session, claim_one(engine, run))
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts, shard.not_before) == (ShardState.PENDING, 0, None)


def test_the_last_attempt_fails_the_run_with_its_reason(engine: Engine) -> None:
    run, store = start_job(engine, QUEUE, 12), MemoryStore()
    record_one(engine, QUEUE, store, claim_one(engine, run))
    held = claim_one(engine, run)
    with transaction(engine) as session:
        assert release(
            session,
            claim_one(engine, run),
            error=Reason("triton_unavailable", "Triton is down"),
            retry_in=MINUTE,
            max_attempts=1,
        )
    job, run = reload(engine, run)
    assert (run.state, run.error_code) == (RunState.FAILED, "shard_attempts_exhausted")
    assert run.error_message == "shard 2 failed 1 times; the last time: triton_unavailable: Triton is down"
    assert (job.state, job.error_code) == (JobState.FAILED, "shard_attempts_exhausted")
    assert len(results_of(engine, run)) == 4
    assert [shard.state.value for shard in shards_of(engine, run)] == ["done", "cancelled", "cancelled"]
    with transaction(engine) as session:
        assert not renew(session, held.shard_id, held.token, 1, MINUTE)


def test_expired_leases_are_taken_back(engine: Engine) -> None:
    run = start_job(engine, QUEUE, 12)
    lost, alive = claim_one(engine, run, worker="dead"), claim_one(engine, run)
    run_out(engine, lost)
    with transaction(engine) as session:
        assert expire_leases(session, run.id, 5) == 1
    states = {shard.id: shard for shard in shards_of(engine, run)}
    assert states[alive.shard_id].state is ShardState.LEASED
    assert states[lost.shard_id].state is ShardState.PENDING
    assert states[lost.shard_id].last_error == "worker dead stopped renewing its lease"
    assert (states[lost.shard_id].suspect, states[lost.shard_id].attempts) == (True, 0)
    with transaction(engine) as session:
        session.execute(update(Shard).where(Shard.id == lost.shard_id).values(state=ShardState.QUEUED))
    suspect = take(engine, lost.shard_id, "dead again")
    assert suspect is not None
    run_out(engine, suspect)
    with transaction(engine) as session:
        assert expire_leases(session, run.id, 1) == 1
    assert reload(engine, run)[1].error_code == "shard_attempts_exhausted"


def test_a_cancelled_job_stops_its_workers_and_keeps_its_results(engine: Engine) -> None:
    run, store = start_job(engine, QUEUE, 12, in_flight=2), MemoryStore()
    record_one(engine, QUEUE, store, claim_one(engine, run), in_flight=2)
    held = claim_one(engine, run)
    job, _ = reload(engine, run)
    for _ in range(2):
        with transaction(engine) as session:
            assert cancel_job(session, job.tenant_id, job.id).state is JobState.CANCELLED
    with transaction(engine) as session:
        assert not renew(session, held.shard_id, held.token, 1, MINUTE)
    with pytest.raises(LeaseLost):
        record_one(engine, QUEUE, store, held)
    assert [shard.state.value for shard in shards_of(engine, run)] == ["done", "cancelled", "cancelled"]
    job, run = reload(engine, run)
    assert (job.state, run.state, run.succeeded) == (JobState.CANCELLED, RunState.CANCELLED, 4)
    assert job.finished_at is not None


def test_claims_of_shards_in_other_states_return_nothing(engine: Engine) -> None:
    (pending,) = shards_of(engine, start_job(engine, QUEUE, 4, in_flight=0))
    assert [take(engine, shard_id, "w") for shard_id in (pending.id, 10**9)] == [None, None]
