"""Running shards: leases that are renewed, lost or returned, and calls that are cancelled."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from threading import Event

import pytest
from sqlalchemy import Engine, select, text, update
from sqlalchemy.orm import Session

from fixtures.waiting import until
from fixtures.worker.job_rows import results_of, shards_of, start_job
from fixtures.worker.worker_services import make_services, sent, upload
from samfleet.db.models import Job, Run, Shard, ShardState
from samfleet.db.session import transaction
from samfleet.jobs.cancel import cancel_job
from samfleet.jobs.claim import claim, must_run_alone
from samfleet.jobs.queue import SentTask
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.bootstrap import Services
from samfleet_worker.pipeline import segment_shard
from samfleet_worker.renewal import LeaseKeeper
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

PATIENCE = 20  # seconds after which a waiting test fails


def _lease_is_over(engine: Engine, shard_id: int) -> bool:
    with transaction(engine) as session:
        return must_run_alone(session, shard_id)


class Gate:
    """Hold the first request until the gate is opened."""

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


def test_a_suspect_shard_runs_alone_and_the_others_wait(engine: Engine) -> None:
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
    """The work hangs while its worker lives: another worker gets the shard, and the hanging process is ended."""
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
    with transaction(engine) as session:  # as if the lease had expired: another worker takes the shard
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


def test_a_cancelled_shard_stops_at_the_next_image(engine: Engine) -> None:
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


def test_a_stopping_worker_returns_its_shard_unchanged(engine: Engine) -> None:
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


def test_a_cancelled_job_frees_its_slot_without_waiting_for_triton(engine: Engine) -> None:
    """The requests at Triton would not end without cancellation."""
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


def test_a_stopping_worker_cancels_its_triton_calls_and_returns_the_shard_uncounted(engine: Engine) -> None:
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
