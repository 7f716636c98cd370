"""Predictions that do not get a reply in time, and the number of those in flight."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from fixtures.api.predicting import PICTURE, WAIT, PredictClient, client_of, keys_of, working
from fixtures.api.running_api import Api, Tenant
from fixtures.servers.redis import RedisServer
from fixtures.worker.worker_services import make_services
from samfleet.predictions.mailbox import Letter, RedisMailbox
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.triton.memory_segmenter import MemorySegmenter


@pytest.fixture
def client(api: Api, tenant: Tenant, redis_server: RedisServer, tmp_path: Path) -> Iterator[PredictClient]:
    with client_of(api, tenant, redis_server, tmp_path) as client:
        yield client


def test_a_prediction_has_a_time_limit(
    api: Api, tenant: Tenant, engine: Engine, redis_server: RedisServer, tmp_path: Path
) -> None:
    cancelled = threading.Event()

    def wait(_request: SegmentRequest) -> None:
        cancelled.wait(20)

    segmenter = MemorySegmenter(before=wait, cancel=cancelled.set)
    with client_of(api, tenant, redis_server, tmp_path, predict_timeout=timedelta(seconds=WAIT)) as client:
        alone = client.predict()
        assert (alone.status_code, alone.json()["code"]) == (504, "prediction_timeout")
        assert "no worker of pool 'default' was free" in alone.json()["detail"]
        assert keys_of(redis_server) == []
        with working(make_services(engine, segmenter), redis_server):
            slow = client.predict()
            assert (slow.status_code, slow.json()["code"]) == (504, "prediction_timeout")
            assert "not segmented" in slow.json()["detail"]
            assert cancelled.wait(20)
    assert [request.image for request in segmenter.requests] == [PICTURE]  # the expired one was never started


def test_a_worker_that_dies_costs_its_client_the_time_limit(
    api: Api, tenant: Tenant, redis_server: RedisServer, tmp_path: Path
) -> None:
    taken: list[Letter | None] = []
    with (
        closing(RedisMailbox(redis_server.url, 20.0)) as mailbox,
        client_of(api, tenant, redis_server, tmp_path, predict_timeout=timedelta(seconds=WAIT)) as client,
    ):
        dying = threading.Thread(target=lambda: taken.append(mailbox.take("default", 20.0)))  # it never answers
        dying.start()
        response = client.predict()
        dying.join()
        assert (response.status_code, response.json()["code"]) == (504, "prediction_timeout")
        assert "was not segmented within 0.3 s" in response.json()["detail"]
        assert taken[0] is not None
        assert taken[0].seconds_left <= WAIT
        assert keys_of(redis_server) == []


def test_a_worker_that_stops_tells_its_client(client: PredictClient, engine: Engine, redis_server: RedisServer) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    def wait(_request: SegmentRequest) -> None:
        begun.set()
        cancelled.wait(20)

    refused: list[tuple[int, str]] = []
    with working(make_services(engine, MemorySegmenter(before=wait, cancel=cancelled.set)), redis_server):
        asking = threading.Thread(target=lambda: refused.append(client.code_of()))
        asking.start()
        assert begun.wait(20)
    asking.join()
    assert refused == [(503, "prediction_failed")]
    assert keys_of(redis_server) == []


def test_a_process_waits_for_a_few_predictions_only(
    client: PredictClient, engine: Engine, redis_server: RedisServer
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(_request: SegmentRequest) -> None:
        begun.set()
        go_on.wait(20)

    codes: list[int] = []
    with working(make_services(engine, MemorySegmenter(before=wait)), redis_server):
        first = threading.Thread(target=lambda: codes.append(client.predict().status_code))
        first.start()
        assert begun.wait(20)
        refused = client.predict()
        assert (refused.status_code, refused.json()["code"]) == (429, "predictions_busy")
        assert int(refused.headers["Retry-After"]) >= 1
        go_on.set()
        first.join()
        assert codes == [200]
