"""Errors in a shard: which are retried, which count against the shard, and which end a run."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text, update
from sqlalchemy.event import listen, remove
from sqlalchemy.exc import OperationalError

from fixtures.worker.job_rows import reload, results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services, raise_for, sent, upload, work_on_all
from samfleet.db.models import RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.queue import SentTask
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.triton.errors import (
    InferenceFailed,
    ModelProcessDied,
    TritonUnavailable,
    VariantLoadFailed,
)
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

PATIENCE = 20  # seconds after which a waiting test fails


def queue_again(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Shard).values(state=ShardState.QUEUED, queued_at=text("now()")))


def test_a_dead_triton_causes_a_retry_and_never_a_failed_image(engine: Engine) -> None:
    segmenter = MemorySegmenter(before=raise_for(2, TritonUnavailable("connection refused")))
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    shard = shards_of(engine, run)[0]
    sent(services).clear()
    segment_shard(services, shard.id)
    assert results_of(engine, run) == []
    assert sent(services) == [SentTask("jobs.dispatch", (str(run.id),), "samfleet.control", 1.0)]
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts, shard.waits) == (ShardState.PENDING, 0, 1)
    assert shard.last_error == "triton_unavailable: connection refused"


def test_after_a_failure_each_image_has_its_own_request(engine: Engine) -> None:
    """So the one that Triton fails on is known, and the others are segmented."""
    segmenter = MemorySegmenter(before=raise_for(6, InferenceFailed("internal: an index is out of range")))
    services = make_services(engine, segmenter, images_in_flight=1)
    run = start_job(engine, services.queue, 8 * 8, uris=upload(services, 8 * 8), shard_size=8)
    shard = shards_of(engine, run)[0]
    segment_shard(services, shard.id)
    assert (segmenter.sizes, results_of(engine, run)) == ([1, 2, 4], [])
    segmenter.sizes.clear()
    for _ in range(2):
        queue_again(engine)
        segment_shard(services, shard.id)
    assert segmenter.sizes == [1] * (7 + 8)
    assert [result.error_code for result in results_of(engine, run)] == [None] * 6 + ["inference_failed", None]


@pytest.mark.parametrize("error", [TritonUnavailable("refused"), StorageUnavailable("refused"), StorageFull("full")])
def test_a_part_unavailable_for_hours_costs_no_attempt(engine: Engine, error: Exception) -> None:
    away = [True]

    def before(_: SegmentRequest) -> None:
        if away:
            raise error

    services = make_services(engine, MemorySegmenter(before=before), max_shard_attempts=2)
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    for _ in range(30):
        queue_again(engine)
        segment_shard(services, shards_of(engine, run)[0].id)
    shard = shards_of(engine, run)[0]
    assert (shard.attempts, shard.waits) == (0, 30)
    assert sent(services)[-1].countdown_seconds == 30.0
    away.clear()
    queue_again(engine)
    work_on_all(services, run)
    assert len(results_of(engine, run)) == 4


def test_a_database_outage_loses_no_work(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images are finished; the record and the release of the shard wait for the database."""
    monkeypatch.setattr("samfleet_worker.database.RETRY_SECONDS", 0.01)
    asked: list[str] = []

    def before(_: SegmentRequest) -> None:
        asked.append("image")
        failures.extend([OperationalError("INSERT", {}, Exception("server closed the connection"))] * 3)

    failures: list[OperationalError] = []
    services = make_services(engine, MemorySegmenter(before=before), images_in_flight=1)
    run = start_job(engine, services.queue, 1, uris=upload(services, 1))

    def fail(_connection: object) -> None:
        if failures:
            raise failures.pop()

    listen(engine, "begin", fail)
    segment_shard(services, shards_of(engine, run)[0].id)
    remove(engine, "begin", fail)
    assert (asked, failures) == (["image"], [])
    assert len(results_of(engine, run)) == 1
    assert shards_of(engine, run)[0].attempts == 0


def test_a_dead_model_process_is_restarted_and_the_request_repeated(engine: Engine) -> None:
    dead = [True]

    def before(request: SegmentRequest) -> None:
        if request.image == b"image 1" and dead:
            dead.clear()
            raise ModelProcessDied("Stub process 'mobile_sam_0_0' is not healthy.")

    segmenter = MemorySegmenter(before=before)
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    work_on_all(services, run)
    assert segmenter.revived == ["mobile_sam"]
    assert len(results_of(engine, run)) == 4


def test_an_image_that_kills_the_model_process_fails_once_its_shard_runs_alone(engine: Engine) -> None:
    segmenter = MemorySegmenter(before=raise_for(1, ModelProcessDied("Stub process is not healthy.")))
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 8, uris=upload(services, 8))
    for attempts in (0, 1, 2):
        queue_again(engine)
        segment_shard(services, shards_of(engine, run)[0].id)
        shard = shards_of(engine, run)[0]
        assert (shard.suspect, shard.attempts) == (True, attempts)
    queue_again(engine)
    work_on_all(services, run)
    codes = [result.error_code for result in results_of(engine, run)]
    assert codes == [None, "model_process_died", *[None] * 6]


def test_a_variant_that_does_not_load_fails_the_run_with_the_reason_of_triton(engine: Engine) -> None:
    def before(_: SegmentRequest) -> None:
        raise VariantLoadFailed("mobile_sam.pt is missing; samfleet variants pull mobile_sam")

    services = make_services(engine, MemorySegmenter(before=before))
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    segment_shard(services, shards_of(engine, run)[0].id)
    job, run = reload(engine, run)
    assert (run.state, run.error_code) == (RunState.FAILED, "variant_load_failed")
    assert job.error_message == (
        "mobile_sam on pool default: mobile_sam.pt is missing; samfleet variants pull mobile_sam"
    )


def test_a_full_store_causes_a_retry_and_leaves_no_partial_file(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    assert isinstance(services.store, MemoryStore)
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    services.store.capacity_bytes = 0
    segment_shard(services, shards_of(engine, run)[0].id)
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts, results_of(engine, run)) == (ShardState.PENDING, 0, [])
    assert shard.last_error is not None
    assert shard.last_error.startswith(StorageFull.code)
    assert list(services.store.list("runs/")) == []


def test_unforeseen_errors_are_retried_a_limited_number_of_times(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter(before=raise_for(1, KeyError("stages"))), max_shard_attempts=2)
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    shard_id = shards_of(engine, run)[0].id
    for _ in range(2):
        with transaction(engine) as session:
            session.execute(update(Shard).values(state=ShardState.QUEUED, queued_at=text("now()")))
        segment_shard(services, shard_id)
    run = reload(engine, run)[1]
    assert (run.state, run.error_code) == (RunState.FAILED, "shard_attempts_exhausted")
    assert run.error_message == "shard 0 failed 2 times; the last time: KeyError: 'stages'"


def test_an_image_that_repeatedly_breaks_triton_fails_in_the_end(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter(before=raise_for(1, InferenceFailed("boom"))))
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    for attempt in range(3):
        assert results_of(engine, run) == [], attempt
        with transaction(engine) as session:
            session.execute(update(Shard).values(state=ShardState.QUEUED, queued_at=text("now()")))
        segment_shard(services, shards_of(engine, run)[0].id)
    assert [result.error_code for result in results_of(engine, run)] == [None, "inference_failed", None, None]
