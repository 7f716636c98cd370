"""A real Prometheus scrapes the real API and a real worker's endpoint, and answers the dashboard's queries."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from fixtures.api.measured_tenant import beat
from fixtures.api.running_api import Api
from fixtures.servers.prometheus import running_prometheus
from fixtures.waiting import until
from samfleet_worker.metrics_server import MetricsServer

ROOT = Path(__file__).resolve().parents[3]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/samfleet.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))["groups"]
QUERIES = sorted({target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ())})
VARIABLES = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "1h"}


@pytest.fixture(scope="module")
def prometheus(api: Api, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    beat(api)
    with closing(MetricsServer(api.engine, "127.0.0.1", 0)) as worker:
        targets = {"samfleet-api": urlsplit(api.url).netloc, "samfleet-worker": urlsplit(worker.url).netloc}
        with running_prometheus(tmp_path_factory.mktemp("prometheus"), targets) as client:
            until(lambda: _values(client, "up") == ["1"] * len(targets), seconds=30)
            yield client


def _result(client: httpx.Client, query: str) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", f"{query}: {answer.get('error')}"
    result: list[dict[str, Any]] = answer["data"]["result"]
    return result


def _values(client: httpx.Client, query: str) -> list[str]:
    return [sample["value"][1] for sample in _result(client, query)]


def test_the_api_and_the_worker_are_scraped(prometheus: httpx.Client) -> None:
    assert {sample["metric"]["job"] for sample in _result(prometheus, "up == 1")} == {"samfleet-api", "samfleet-worker"}
    assert set(_values(prometheus, "samfleet_dependency_up")) == {"1"}
    assert _values(prometheus, 'samfleet_pool_ready{pool="default"}') == ["1"]


@pytest.mark.parametrize("query", QUERIES)
def test_it_answers_every_query_of_the_dashboard(prometheus: httpx.Client, query: str) -> None:
    for name, value in VARIABLES.items():
        query = query.replace(name, value)
    _result(prometheus, re.sub(r"\$\{?[a-z]+\}?", ".*", query))


def test_it_evaluates_all_alerts_without_an_error(prometheus: httpx.Client) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.get("/api/v1/rules").json()["data"]["groups"] for rule in group["rules"]]

    until(lambda: all(rule["health"] != "unknown" for rule in rules()), seconds=30)
    assert {rule["health"] for rule in rules()} == {"ok"}
    assert [rule["name"] for rule in rules()] == [
        rule.get("alert") or rule["record"] for group in RULES for rule in group["rules"]
    ]
