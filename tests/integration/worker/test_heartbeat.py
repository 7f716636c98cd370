from __future__ import annotations

import time

from sqlalchemy import Engine, select

from fixtures.worker.worker_services import make_services
from samfleet.db.models import WorkerHeartbeat
from samfleet.db.session import read_only
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.heartbeat import Heartbeat, write_heartbeat
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

PATIENCE_SECONDS = 20


def rows(engine: Engine) -> list[WorkerHeartbeat]:
    with read_only(engine) as session:
        return list(session.scalars(select(WorkerHeartbeat)))


def test_a_row_names_the_worker_and_the_loaded_variants(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    write_heartbeat(services)
    (first,) = rows(engine)
    assert (first.worker, first.pool, first.triton_ready) == ("default@test:1", "default", True)
    server = {"address": "memory", "ready": True, "version": "0", "variants": ["mobile_sam"], "devices": []}
    server |= {"died": [], "loading": {}, "without_weights": {}}
    assert first.detail == {"servers": [server]}
    segmenter.ready = False
    write_heartbeat(services)
    (second,) = rows(engine)
    assert not second.triton_ready
    assert second.started_at == first.started_at
    assert second.seen_at > first.seen_at


def test_a_row_has_the_last_reported_devices(engine: Engine) -> None:
    segmenter = MemorySegmenter()
    services = make_services(engine, segmenter)
    segmenter.segment("mobile_sam", [SegmentRequest(b"", EverythingParameters())])
    write_heartbeat(services)
    (row,) = rows(engine)
    (device,) = row.detail["servers"][0]["devices"]
    assert (device["id"], device["kind"], device["name"]) == ("cpu", "memory", "no device")
    assert device["busy_share"] >= 0
    segmenter.ready = False
    write_heartbeat(services)
    (row,) = rows(engine)
    assert row.detail["servers"][0]["devices"] == []


def test_the_thread_refreshes_the_row_and_removes_it_at_the_end(engine: Engine) -> None:
    heartbeat = Heartbeat(make_services(engine, MemorySegmenter()), interval_seconds=0.02)
    heartbeat.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(row.seen_at > row.started_at for row in rows(engine)):
        assert time.monotonic() < deadline
    heartbeat.stop()
    assert rows(engine) == []
