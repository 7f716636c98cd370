from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from fixtures.api.running_api import Api, Parts, Tenant, api_settings, serve
from fixtures.worker.recorded_jobs import new_job
from samfleet.db.session import connect
from samfleet.jobs.queue import CONTROL_QUEUE, MemoryTaskQueue
from samfleet_api.app import create_app

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(url: str) -> Samples:
    answer = httpx.get(f"{url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_route_template(api: Api, tenant: Tenant) -> None:
    labels = {"method": "GET", "route": "/v1/jobs/{job_id}", "status": "404"}
    before = value(scrape(api.url), "samfleet_http_requests_total", **labels)
    ids = [uuid.uuid4() for _ in range(3)]
    for job_id in ids:
        assert tenant.http.get(f"/v1/jobs/{job_id}").status_code == 404
    after = scrape(api.url)
    assert value(after, "samfleet_http_requests_total", **labels) - before == 3
    routes = {dict(labels).get("route") for _, labels in after}
    assert not [route for route in routes if route and any(str(job_id) in route for job_id in ids)]
    count = value(after, "samfleet_http_request_duration_seconds_count", method="GET", route="/v1/jobs/{job_id}")
    assert count >= 3


def test_requests_without_a_route_are_counted_in_one_series(api: Api) -> None:
    for path in ("/nowhere", f"/{uuid.uuid4()}", "/v1/jobs/../../etc"):
        httpx.get(api.url + path)
    httpx.request("BREW", f"{api.url}/healthz")
    shown = scrape(api.url)
    assert value(shown, "samfleet_http_requests_total", method="GET", route="unmatched", status="404") >= 2
    assert value(shown, "samfleet_http_requests_total", method="other", route="/healthz", status="405") >= 1
    assert "BREW" not in {dict(labels).get("method") for _, labels in shown}


def test_the_state_of_the_fleet_is_read_on_scrape(api: Api, tenant: Tenant, folder: Path) -> None:
    before = scrape(api.url)
    new_job(tenant, folder, images=1)
    after = scrape(api.url)
    assert value(after, "samfleet_jobs", state="queued") - value(before, "samfleet_jobs", state="queued") == 1
    runs = [value(samples, "samfleet_runs", pool="default", state="queued") for samples in (before, after)]
    assert runs[1] - runs[0] == 1
    depths = [value(samples, "samfleet_queue_depth", queue=CONTROL_QUEUE) for samples in (before, after)]
    assert depths[1] - depths[0] == 1
    assert ("samfleet_shards_in_flight", frozenset({("pool", "other"), ("state", "leased")})) in after
    assert ("samfleet_oldest_queued_shard_seconds", frozenset({("pool", "default")})) in after
    assert value(after, "samfleet_pool_ready", pool="default") == 0
    assert value(after, "samfleet_dependency_up", dependency="database") == 1
    assert value(after, "samfleet_dependency_up", dependency="broker") == 1
    for name in ("deliveries_pending", "oldest_pending_seconds", "overdue_seconds"):
        assert (f"samfleet_webhook_{name}", frozenset[tuple[str, str]]()) in after
    assert value(after, "samfleet_database_connections", state="limit") >= 5


@pytest.fixture
def alone(api: Api, tmp_path: Path) -> Iterator[str]:
    """An API without its database and broker."""
    engine = connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    app = create_app(api_settings(tmp_path), parts=Parts(engine, api.store, MemoryTaskQueue(down=True)))
    with serve(app) as url:
        yield url
    engine.dispose()


def test_unreachable_parts_are_reported_down_and_other_metrics_remain(alone: str) -> None:
    shown = scrape(alone)
    assert shown["samfleet_dependency_up", frozenset({("dependency", "database")})] == 0
    assert shown["samfleet_dependency_up", frozenset({("dependency", "broker")})] == 0
    assert not [name for name, _ in shown if name in {"samfleet_jobs", "samfleet_queue_depth"}]
    assert [name for name, _ in shown if name == "samfleet_http_requests_in_progress"]
