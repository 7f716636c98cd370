"""Requests of a tenant, counted by several processes in a real Redis."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from fixtures.api.no_tls import NO_TLS
from fixtures.api.running_api import Api, Parts, Tenant, api_settings, serve
from fixtures.servers.redis import RedisServer
from samfleet import metrics
from samfleet.db.models import Tenant as TenantRow
from samfleet.db.session import transaction
from samfleet.logging import get_logger
from samfleet_api import shared_rates
from samfleet_api.app import create_app
from samfleet_api.shared_rates import LOG_SECONDS, PAUSE_SECONDS, SharedRates

TENANT = uuid.UUID(int=7)
KEY = f"samfleet:rate:{TENANT}"


@pytest.fixture(autouse=True)
def _fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the module a logger of this test's configuration; a used one keeps that of an earlier test."""
    monkeypatch.setattr(shared_rates, "log", get_logger(shared_rates.__name__))


@pytest.fixture
def rates(redis_server: RedisServer) -> Iterator[SharedRates]:
    with closing(SharedRates(redis_server.url)) as rates:
        yield rates


def counted_locally() -> float:
    return metrics.REGISTRY.get_sample_value("samfleet_rates_counted_locally_total") or 0.0


def accepted(rates: SharedRates, requests: int, per_minute: int) -> int:
    return sum(rates.take(TENANT, per_minute).accepted for _ in range(requests))


def test_two_processes_share_the_limit_of_a_tenant(
    api: Api, tenant: Tenant, other_tenant: Tenant, redis_server: RedisServer, tmp_path: Path
) -> None:
    settings = {"broker_url": redis_server.url, "tenant_requests_per_minute": 3}
    before = counted_locally()
    with ExitStack() as stack:
        apps = [
            create_app(api_settings(tmp_path).model_copy(update=settings), parts=Parts(api.engine, api.store))
            for _ in range(2)
        ]
        first, second = (stack.enter_context(serve(app)) for app in apps)

        def get(url: str, key: str) -> httpx.Response:
            return httpx.get(f"{url}/v1/jobs", headers={"Authorization": f"Bearer {key}"}, timeout=30)

        answers = [get(url, tenant.key) for url in (first, second, first, second, first)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
        assert answers[0].headers["RateLimit-Policy"] == '"key";q=1000000;w=60, "tenant";q=3;w=60'
        tenants = [answer.headers["RateLimit"].split(", ")[1] for answer in answers]
        assert [one.split(";t=")[0] for one in tenants] == [f'"tenant";r={left}' for left in (2, 1, 0, 0, 0)]
        assert answers[0].headers["RateLimit-Remaining"] == "2"
        assert answers[3].json()["code"] == "tenant_rate_limited"
        assert 1 <= int(answers[3].headers["Retry-After"]) <= 20
        assert tenants[3].endswith(f";t={answers[3].headers['Retry-After']}")
        assert get(second, other_tenant.key).status_code == 200
        with transaction(api.engine) as session:
            session.execute(update(TenantRow).where(TenantRow.id == other_tenant.id).values(requests_per_minute=1))
        assert get(first, other_tenant.key).headers["RateLimit"].endswith('"tenant";r=0;t=60')
        assert get(second, other_tenant.key).status_code == 429
    assert counted_locally() == before


def test_a_tenant_without_a_limit_costs_no_round_trip(tenant: Tenant) -> None:
    before = counted_locally()  # the broker of these settings does not exist
    answer = tenant.http.get("/v1/jobs")
    assert (answer.status_code, answer.headers["RateLimit-Policy"]) == (200, '"key";q=1000000;w=60')
    assert counted_locally() == before


def test_parallel_requests_do_not_exceed_the_limit(redis_server: RedisServer) -> None:
    began = time.monotonic()
    with ExitStack() as stack, ThreadPoolExecutor(8) as threads:
        processes = [stack.enter_context(closing(SharedRates(redis_server.url))) for _ in range(2)]
        counts = [threads.submit(accepted, processes[number % 2], 20, 30) for number in range(8)]
        total = sum(count.result() for count in counts)
    refilled = (time.monotonic() - began) * 30 / 60
    assert 30 <= total <= 30 + refilled + 1


def test_a_bucket_refills_by_the_clock_of_redis(redis_server: RedisServer, rates: SharedRates) -> None:
    with redis_server.client() as client:
        assert [rates.take(TENANT, 2).remaining for _ in range(2)] == [1, 0]
        refused = rates.take(TENANT, 2)
        assert 29 < refused.wait_seconds <= 30
        client.hincrbyfloat(KEY, "at", -30.0)  # half a minute passes
        assert [rates.take(TENANT, 2).accepted for _ in range(2)] == [True, False]
        client.hincrbyfloat(KEY, "at", 1000.0)  # the clock was set back
        assert not rates.take(TENANT, 2).accepted
        client.hincrbyfloat(KEY, "at", -10_000.0)
        assert rates.take(TENANT, 2).remaining == 1  # never more than the limit
        assert 60 <= client.ttl(KEY) <= 61


def test_another_limit_counts_at_once(rates: SharedRates) -> None:
    assert rates.take(TENANT, 10).remaining == 9
    assert rates.take(TENANT, 3).remaining == 2
    assert rates.take(TENANT, 10**9).limit == 10**9


def test_an_empty_redis_fills_the_buckets(redis_server: RedisServer, rates: SharedRates) -> None:
    before = counted_locally()
    assert accepted(rates, 2, 1) == 1
    with redis_server.client() as client:
        client.flushall()
        client.script_flush()
    assert accepted(rates, 2, 1) == 1
    assert counted_locally() == before


def test_without_redis_each_process_counts_for_itself(redis_server: RedisServer) -> None:
    now = 1000.0
    with ExitStack() as stack:
        processes = [stack.enter_context(closing(SharedRates(redis_server.url, clock=lambda: now))) for _ in range(2)]
        assert [accepted(one, 2, 2) for one in processes] == [2, 0]
        redis_server.stop()
        before = counted_locally()
        with capture_logs() as logs:
            assert [accepted(one, 3, 2) for one in processes] == [2, 2]
            assert counted_locally() == before + 6
            assert [entry["event"] for entry in logs] == ["rates.counted_locally"] * 2
            for _ in range(3):
                now += PAUSE_SECONDS
                processes[0].take(TENANT, 2)
            assert len(logs) == 2  # at most once a minute
            now += LOG_SECONDS
            processes[0].take(TENANT, 2)
            assert len(logs) == 3


def test_the_api_answers_without_redis(api: Api, tenant: Tenant, redis_server: RedisServer, tmp_path: Path) -> None:
    settings = {"broker_url": redis_server.url, "tenant_requests_per_minute": 2}
    app = create_app(api_settings(tmp_path).model_copy(update=settings), parts=Parts(api.engine, api.store))
    headers = {"Authorization": f"Bearer {tenant.key}"}
    with serve(app) as url, httpx.Client(base_url=url, headers=headers, timeout=30, verify=NO_TLS) as client:
        assert client.get("/v1/jobs").headers["RateLimit"].endswith('"tenant";r=1;t=30')
        redis_server.stop()
        answers = [client.get("/v1/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "tenant_rate_limited"


def test_a_redis_that_hangs_is_asked_once_and_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_rates, "TIMEOUT_SECONDS", 0.05)
    now = 1000.0
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:  # it accepts, and never replies
        silent.setblocking(False)
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        with closing(SharedRates(url, clock=lambda: now)) as rates:
            for passed, connections in ((0.0, 1), (PAUSE_SECONDS - 1, 0), (1.0, 1), (1.0, 0)):
                now += passed
                assert accepted(rates, 5, 10**6) == 5
                assert _waiting(silent) == connections


def _waiting(server: socket.socket) -> int:
    """Return the number of connections since the last call."""
    count = 0
    while True:
        try:
            connection, _ = server.accept()
        except BlockingIOError:
            return count
        connection.close()
        count += 1


def test_a_redis_that_is_back_is_counted_in_again(redis_server: RedisServer) -> None:
    now = 1000.0
    with redis_server.client() as client, closing(SharedRates(redis_server.url, clock=lambda: now)) as rates:
        client.set(KEY, "not a bucket")
        before = counted_locally()
        assert accepted(rates, 3, 2) == 2
        assert counted_locally() == before + 3
        client.delete(KEY)
        now += PAUSE_SECONDS
        with capture_logs() as logs:
            assert accepted(rates, 3, 2) == 2
        assert [entry["event"] for entry in logs] == ["rates.counted_together"]
        assert counted_locally() == before + 3
        assert client.hexists(KEY, "left")


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://127.0.0.1:1/0",
        "redis://127.0.0.1:1/0?unknown=1",
        "redis+socket:///nowhere?virtual_host=2",
        "nonsense",
    ],
)
def test_an_address_that_cannot_be_used_refuses_nobody(url: str) -> None:
    before = counted_locally()
    with closing(SharedRates(url)) as rates:
        assert accepted(rates, 3, 2) == 2
    assert counted_locally() == before + 3
