from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Barrier, Event

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.event import listen, remove
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixtures.jobs import reload, results_of, shards_of, start_job
from fixtures.worker import make_services, raise_for, upload
from samfleet.db.models import Job, JobState, Run, RunState, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.cancelling import cancel_job
from samfleet.jobs.exports import ExportFormat, iter_export, recorded_parts
from samfleet.jobs.finishing import finish_run
from samfleet.jobs.leases import claim, must_run_alone
from samfleet.jobs.parts import read_parts
from samfleet.jobs.queue import MemoryTaskQueue, SentTask
from samfleet.masks.wire import ImageReport, SegmentReply, SegmentRequest
from samfleet.storage.memory_store import MemoryStore
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet_worker.bootstrap import Services
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.renewal import LeaseKeeper
from samfleet_worker.triton.errors import (
    InferenceFailed,
    InferenceRejected,
    ModelProcessDied,
    TritonUnavailable,
    VariantLoadFailed,
)
from samfleet_worker.triton.memory import MemorySegmenter, one_mask_each

PATIENCE = 20  # seconds after which a test that waits has failed


def work_on_all(services: Services, run: Run) -> None:
    for shard in shards_of(services.engine, run):
        segment_shard(services, shard.id)


def sent(services: Services) -> list[SentTask]:
    assert isinstance(services.queue, MemoryTaskQueue)
    return services.queue.sent


def test_a_shard_goes_from_claim_to_record(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter())
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    work_on_all(services, run)
    results = results_of(engine, run)
    assert [(result.image_id, result.part_line, result.mask_count) for result in results] == [
        (101 + line, line, 1) for line in range(4)
    ]
    rows = list(read_parts(services.store, [results[0].part_key]))
    assert [row["file_name"] for row in rows] == [f"{n}.png" for n in range(4)]
    assert all(row["width"] == 4 and row["outcome"] == "succeeded" for row in rows)
    assert all(result.fetch_ms is not None and result.store_ms is not None for result in results)
    assert reload(engine, run)[1].state is RunState.FINISHING
    finish_run(engine, services.store, run.id)
    assert reload(engine, run)[0].state is JobState.COMPLETED
    work_on_all(services, run)  # the messages come a second time
    assert len(results_of(engine, run)) == 4


def test_several_images_are_at_triton_at_a_time(engine: Engine) -> None:
    together = Barrier(4)

    def meet(_request: SegmentRequest) -> None:
        together.wait(PATIENCE)

    segmenter = MemorySegmenter(before=meet)
    services = make_services(engine, segmenter, images_in_flight=4)
    run = start_job(engine, services.queue, 8, uris=upload(services, 8))
    work_on_all(services, run)
    assert segmenter.peak_in_flight == 4
    assert len(results_of(engine, run)) == 8


def test_boxes_come_from_the_annotations_and_are_measured(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    run = start_job(
        engine,
        services.queue,
        1,
        uris=upload(services, 1),
        annotated=True,
        task={"kind": "prompts", "prompt": "box"},
    )
    segment_shard(services, shards_of(engine, run)[0].id)
    assert [prompt.box for prompt in segmenter.requests[0].prompts] == [(2, 2, 6, 6)]
    result = results_of(engine, run)[0]
    # the double answers 4 x 4 full pixels; of the square at (2, 2) only 2 x 2 lie inside
    assert result.quality_instances == 1
    assert result.quality_iou_sum == pytest.approx(4 / 16)
    mask = next(iter(read_parts(services.store, [result.part_key])))["masks"][0]
    assert (mask["category_id"], mask["annotation_id"], mask["prompt_index"]) == (7, 1000, 0)


def test_bad_images_are_rows_and_the_others_go_on(engine: Engine) -> None:
    def respond(variant: str, request: SegmentRequest) -> SegmentReply:
        if request.image == b"image 3":
            error = ImageReport(error_code="image_truncated", error_message="half of it", error_stage="preprocess")
            return SegmentReply((), error)
        return one_mask_each(variant, request)

    segmenter = MemorySegmenter(respond=respond, before=raise_for(4, InferenceRejected("wrong shape")))
    services = make_services(engine, segmenter, max_image_bytes=50)
    uris = upload(services, 6)
    services.store.put("uploads/0", b"")
    services.store.put("uploads/1", b"x" * 51)
    services.store.delete("uploads/2")
    run = start_job(engine, services.queue, 6, uris=uris)
    work_on_all(services, run)
    errors = [(result.error_code, result.error_stage) for result in results_of(engine, run)]
    assert errors == [
        ("image_empty", "fetch"),
        ("image_too_large", "fetch"),
        ("image_missing", "fetch"),
        ("image_truncated", "preprocess"),
        ("inference_rejected", "encode"),
        (None, None),
    ]
    run = reload(engine, run)[1]
    assert (run.succeeded, run.failed, run.state) == (1, 5, RunState.FINISHING)


def test_a_dead_triton_is_a_retry_and_never_a_failed_image(engine: Engine) -> None:
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


def queue_again(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(update(Shard).values(state=ShardState.QUEUED, queued_at=text("now()")))


@pytest.mark.parametrize("error", [TritonUnavailable("refused"), StorageUnavailable("refused"), StorageFull("full")])
def test_a_part_that_is_away_for_hours_costs_no_attempt(engine: Engine, error: Exception) -> None:
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


def test_a_database_that_goes_away_loses_no_work(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The images are done; the record waits for the database, and so does what is given back."""
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


def test_a_dead_model_process_is_started_again_and_asked_again(engine: Engine) -> None:
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


def test_an_image_that_kills_the_model_process_is_blamed_once_its_shard_is_alone(engine: Engine) -> None:
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


def test_a_suspect_runs_alone_and_the_others_wait_for_it(engine: Engine) -> None:
    gate, running, peak = Event(), [], []

    def before(request: SegmentRequest) -> None:
        running.append(request.image)
        peak.append(len(running))
        assert gate.wait(PATIENCE)
        running.remove(request.image)

    services = make_services(engine, MemorySegmenter(before=before), images_in_flight=1)
    run = start_job(engine, services.queue, 3, uris=upload(services, 3), shard_size=1)
    first, second, third = (shard.id for shard in shards_of(engine, run))
    with transaction(engine) as session:
        session.execute(update(Shard).where(Shard.id == second).values(suspect=True))
    with ThreadPoolExecutor(3) as pool:
        held = pool.submit(segment_shard, services, first)
        until(lambda: bool(running))
        suspect = pool.submit(segment_shard, services, second)
        until(lambda: services.company._suspects_waiting == 1)
        late = pool.submit(segment_shard, services, third)
        gate.set()
        for future in (held, suspect, late):
            future.result(PATIENCE)
    assert peak == [1, 1, 1]
    assert len(results_of(engine, run)) == 3


def test_a_lease_is_not_renewed_while_no_image_finishes(engine: Engine) -> None:
    """The work hangs, and its worker lives: another one gets the shard, and the hanging process is ended."""
    gate = Gate()
    ended: list[str] = []
    segmenter = MemorySegmenter(before=gate)
    services = replace(
        make_services(
            engine, segmenter, lease=timedelta(seconds=0.2), triton_timeout=timedelta(seconds=0.2), images_in_flight=1
        ),
        end_process=ended.append,
    )
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    shard = shards_of(engine, run)[0]
    keeper = partial(LeaseKeeper, hangs_after=timedelta(seconds=0.05))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("samfleet_worker.pipeline.LeaseKeeper", keeper)
        worker = threading.Thread(target=segment_shard, args=(services, shard.id))
        worker.start()
        until(lambda: bool(ended))
    until(lambda: _lease_is_over(engine, shard.id))
    gate.open.set()
    worker.join(PATIENCE)
    assert ended == [f"shard {shard.id} has finished no image for 0.4 s and does not end"]
    assert results_of(engine, run) == []


def _lease_is_over(engine: Engine, shard_id: int) -> bool:
    with transaction(engine) as session:
        return must_run_alone(session, shard_id)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_variant_that_does_not_load_fails_the_run_with_triton_s_reason(engine: Engine) -> None:
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


def test_a_full_store_is_a_retry_that_leaves_nothing_half_written(engine: Engine) -> None:
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


def test_what_nobody_foresaw_is_retried_and_bounded(engine: Engine) -> None:
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


def test_an_image_that_breaks_triton_again_and_again_is_blamed_in_the_end(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter(before=raise_for(1, InferenceFailed("boom"))))
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    for attempt in range(3):
        assert results_of(engine, run) == [], attempt
        with transaction(engine) as session:
            session.execute(update(Shard).values(state=ShardState.QUEUED, queued_at=text("now()")))
        segment_shard(services, shards_of(engine, run)[0].id)
    assert [result.error_code for result in results_of(engine, run)] == [None, "inference_failed", None, None]


class Gate:
    """Lets the first request in and holds it there until it is opened."""

    def __init__(self) -> None:
        self.reached, self.open = Event(), Event()

    def __call__(self, _: SegmentRequest) -> None:
        self.reached.set()
        assert self.open.wait(PATIENCE)


def held_at_gate(engine: Engine, gate: Gate) -> tuple[Services, Shard, threading.Thread]:
    segmenter = MemorySegmenter(before=gate)
    services = make_services(engine, segmenter, images_in_flight=1, lease=timedelta(seconds=0.4))
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    shard = shards_of(engine, run)[0]
    worker = threading.Thread(target=segment_shard, args=(services, shard.id))
    worker.start()
    assert gate.reached.wait(PATIENCE)
    return services, shard, worker


def test_a_lease_is_renewed_as_long_as_the_work_takes(engine: Engine) -> None:
    gate = Gate()
    services, shard, worker = held_at_gate(engine, gate)
    with transaction(engine) as session:
        claimed_at = session.get_one(Shard, shard.id).claimed_at
    assert claimed_at is not None
    renewed = Event()

    def watch() -> None:
        while not renewed.wait(0.02):
            with transaction(engine) as session:
                expires = session.get_one(Shard, shard.id).lease_expires_at
                if expires is not None and expires > claimed_at + timedelta(seconds=1.2):
                    renewed.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    watcher.join(PATIENCE)
    gate.open.set()
    worker.join(PATIENCE)
    with transaction(engine) as session:
        shard = session.get_one(Shard, shard.id)
    assert (shard.state, shard.token, shard.attempts) == (ShardState.DONE, 1, 0)
    assert len(sent(services)) > 0


def test_a_worker_that_lost_its_shard_stops_and_records_nothing(engine: Engine) -> None:
    gate = Gate()
    _, shard, worker = held_at_gate(engine, gate)
    with transaction(engine) as session:  # as if the lease had run out: another worker takes the shard
        past = text("now() - interval '1 second'")
        session.execute(update(Shard).where(Shard.id == shard.id).values(lease_expires_at=past))
        stolen = claim(session, shard.id, "thief", timedelta(hours=1), alone=True)
    assert stolen is not None
    gate.open.set()
    worker.join(PATIENCE)
    with transaction(engine) as session:
        shard = session.get_one(Shard, shard.id)
    assert (shard.state, shard.worker, shard.token) == (ShardState.LEASED, "thief", 2)
    with transaction(engine) as session:
        assert session.execute(text("SELECT count(*) FROM image_results")).scalar_one() == 0


def test_a_cancelled_shard_is_left_at_the_next_image(engine: Engine) -> None:
    gate = Gate()
    _, shard, worker = held_at_gate(engine, gate)
    with transaction(engine) as session:
        job_id = session.execute(text("SELECT id FROM jobs")).scalar_one()
        tenant_id = session.execute(text("SELECT tenant_id FROM jobs")).scalar_one()
        cancel_job(session, tenant_id, job_id)
    gate.open.set()
    worker.join(PATIENCE)
    with transaction(engine) as session:
        assert session.get_one(Shard, shard.id).state is ShardState.CANCELLED
        assert session.execute(text("SELECT count(*) FROM image_results")).scalar_one() == 0


def test_a_worker_that_is_to_end_hands_its_shard_back_unharmed(engine: Engine) -> None:
    gate = Gate()
    services, shard, worker = held_at_gate(engine, gate)
    sent(services).clear()
    services.stopping.set()
    gate.open.set()
    worker.join(PATIENCE)
    with transaction(engine) as session:
        shard = session.get_one(Shard, shard.id)
    assert (shard.state, shard.attempts, shard.not_before) == (ShardState.PENDING, 0, None)
    assert sent(services) == [SentTask("jobs.dispatch", (str(shard.run_id),), "samfleet.control")]


def test_many_workers_and_doubled_messages_record_each_image_once(engine: Engine) -> None:
    services = make_services(engine, MemorySegmenter(), shards_in_flight=3)
    run = start_job(engine, services.queue, 40, uris=upload(services, 40), in_flight=3)
    done: set[int] = set()
    while tasks := [task for task in sent(services) if task.task == "shards.segment" and task.args[0] not in done]:
        shard_ids = [int(task.args[0]) for task in tasks]
        done.update(shard_ids)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda shard_id: segment_shard(services, shard_id), shard_ids * 2))
    results = results_of(engine, run)
    assert [result.image_id for result in results] == list(range(101, 141))
    finish_run(engine, services.store, run.id)
    with transaction(engine) as session:
        parts = recorded_parts(session, run.id)
    exported = b"".join(iter_export(services.store, parts, ExportFormat.COCO))
    assert len(json.loads(exported)) == reload(engine, run)[1].masks == 40


def test_a_cancelled_job_leaves_its_slot_without_waiting_for_triton(engine: Engine) -> None:
    """The requests at Triton would not end by themselves."""
    gate = Gate()
    segmenter = MemorySegmenter(before=gate, cancel=gate.open.set)
    services = make_services(engine, segmenter)
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    work = threading.Thread(target=segment_shard, args=(services, shards_of(engine, run)[0].id))
    work.start()
    assert gate.reached.wait(PATIENCE)
    with transaction(engine) as session:
        cancel_job(session, run_tenant(session, run), run.job_id)
    work.join(PATIENCE)
    assert not work.is_alive()
    assert gate.open.is_set()  # by the cancellation of the calls
    assert results_of(engine, run) == []
    assert shards_of(engine, run)[0].state is ShardState.CANCELLED


def test_a_worker_that_stops_cancels_what_is_at_triton_and_hands_back_uncounted(engine: Engine) -> None:
    gate = Gate()
    services = make_services(engine, MemorySegmenter(before=gate, cancel=gate.open.set))
    run = start_job(engine, services.queue, 4, uris=upload(services, 4))
    work = threading.Thread(target=segment_shard, args=(services, shards_of(engine, run)[0].id))
    work.start()
    assert gate.reached.wait(PATIENCE)
    services.stopping.set()
    work.join(PATIENCE)
    assert not work.is_alive()
    shard = shards_of(engine, run)[0]
    assert (shard.state, shard.attempts) == (ShardState.PENDING, 0)


def run_tenant(session: Session, run: Run) -> uuid.UUID:
    return session.scalars(select(Job.tenant_id).where(Job.id == run.job_id)).one()
