"""The files of Prometheus and Grafana name only existing metrics and labels, and scrape services that serve metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from samfleet import metrics

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS, GRAFANA = ROOT / "deploy" / "prometheus", ROOT / "deploy" / "grafana"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SCRAPES = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
DASHBOARD = json.loads((GRAFANA / "dashboards" / "samfleet.json").read_text())

# https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/user_guide/metrics.html
MODEL, GPU = {"model", "version", "gpu_uuid"}, {"gpu_uuid"}
TRITON = {
    "nv_inference_request_success": MODEL,
    "nv_inference_request_failure": MODEL | {"reason"},
    "nv_inference_count": MODEL,
    "nv_inference_exec_count": MODEL,
    "nv_inference_pending_request_count": MODEL,
    "nv_inference_request_duration_us": MODEL,
    "nv_inference_queue_duration_us": MODEL,
    "nv_inference_compute_input_duration_us": MODEL,
    "nv_inference_compute_infer_duration_us": MODEL,
    "nv_inference_compute_output_duration_us": MODEL,
    "nv_gpu_power_usage": GPU,
    "nv_gpu_power_limit": GPU,
    "nv_energy_consumption": GPU,
    "nv_gpu_utilization": GPU,
    "nv_gpu_memory_total_bytes": GPU,
    "nv_gpu_memory_used_bytes": GPU,
    "nv_cpu_utilization": set[str](),
    "nv_cpu_memory_total_bytes": set[str](),
    "nv_cpu_memory_used_bytes": set[str](),
}
FOREIGN = {"up": set[str](), "process_resident_memory_bytes": set[str](), "process_cpu_seconds_total": set[str]()}
OF_EVERY_TARGET = {"job", "instance"}
SELECTOR = re.compile(r"\b([a-z_]+_[a-z0-9_:]+|up)\b(?:\{([^}]*)\})?(?!\s*\()")
WORDS = {"histogram_quantile", "label_values"}
RULES = [rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]


def series() -> dict[str, set[str]]:
    """Return every series that can be queried, and its labels."""
    found = {name: set(labels) for name, labels in {**TRITON, **FOREIGN}.items()}
    for value in vars(metrics).values():
        if isinstance(value, metrics.StateGauge):
            found[value.name] = set(value.labels)
        elif isinstance(value, MetricWrapperBase):
            described, labels = next(iter(value.describe())), set(value._labelnames)
            suffixes = {"counter": ["_total"], "gauge": [""], "summary": ["_sum", "_count"]}
            for suffix in suffixes.get(described.type, ["_sum", "_count"]):
                found[described.name + suffix] = labels
            if described.type == "histogram":
                found[f"{described.name}_bucket"] = labels | {"le"}
    recorded = {rule["record"]: set(rule.get("labels", {})) for rule in RULES if "record" in rule}
    return found | recorded


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        if not rule["expr"].startswith("vector("):  # a constant
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """Return (series, labels that it is selected by) of an expression."""
    without_grouping = re.sub(r"\b(?:by|on|without)\s*\([^)]*\)|\[[^\]]*\]", " ", expression)
    found = []
    for name, inside in SELECTOR.findall(without_grouping):
        if name not in WORDS:
            found.append((name, set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", inside))))
    return found


@pytest.mark.parametrize(("where", "expression"), sorted(set(expressions())))
def test_expressions_name_existing_series_and_labels(where: str, expression: str) -> None:
    known, found = series(), selectors(expression)
    assert found, where
    labels = set(OF_EVERY_TARGET)
    for name, selected in found:
        assert name in known, f"{where}: {name} is not declared in samfleet.metrics and no metric of Triton"
        assert selected <= known[name] | OF_EVERY_TARGET, f"{where}: {name} has no label {selected - known[name]}"
        labels |= known[name]
    for grouping in re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", expression):
        assert {label.strip() for label in grouping.split(",")} <= labels, where
    assert all(expression.count(left) == expression.count(right) for left, right in ("()", "{}", "[]")), where


def test_a_metric_that_does_not_exist_is_detected() -> None:
    assert selectors('sum by (pool) (rate(samfleet_gone_total{pool="x"}[5m])) / up') == [
        ("samfleet_gone_total", {"pool"}),
        ("up", set()),
    ]
    assert "samfleet_gone_total" not in series()


def test_alerts_have_a_summary() -> None:
    names = []
    for rule in RULES:
        if "alert" in rule:
            names.append(rule["alert"])
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert rule["annotations"]["summary"]
    assert len(set(names)) == len(names) >= 10


def test_scrape_targets_are_services_that_serve_metrics_there() -> None:
    ports = {"api": 8080, "triton": 8002, "triton-gpu": 8002}
    for name in ("control", "worker", "worker-gpu"):
        settings: dict[str, Any] = COMPOSE["services"][name]["environment"]
        assert settings["SAMFLEET_METRICS_HOST"] == "0.0.0.0"
        ports[name] = int(settings["SAMFLEET_METRICS_PORT"])
    scraped = {name: config["port"] for job in SCRAPES for config in job["dns_sd_configs"] for name in config["names"]}
    assert scraped == ports


def test_the_dashboard_is_valid_for_grafana() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [panel["gridPos"] for panel in panels]
    for place in places:
        assert place["x"] + place["w"] <= 24
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(set(cells)) == len(cells), "panels overlap"
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\b", json.dumps(DASHBOARD)))
    assert used <= variables
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"])
            assert found
            assert found[2] in series()[found[1]]


def test_the_files_are_mounted_where_the_containers_expect_them() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    provider = yaml.safe_load((GRAFANA / "provisioning" / "dashboards" / "samfleet.yml").read_text())["providers"][0]
    mounts = dict(mount.split(":")[:2] for mount in COMPOSE["services"]["grafana"]["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert config["rule_files"] == ["/etc/prometheus/alerts.yml"]
    prometheus = COMPOSE["services"]["prometheus"]["volumes"]
    assert "./deploy/prometheus:/etc/prometheus:ro" in prometheus


def test_grafana_shows_the_alerts_and_knows_the_interval_of_scrapes() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    assert source["jsonData"]["manageAlerts"] is True
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "datasource"}
    assert variables == {"datasource"}
    used = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if panel["type"] != "row"}
    assert used == {"${datasource}"}
    assert source["isDefault"] is True


def test_grafana_keeps_nothing_and_downloads_nothing() -> None:
    service = COMPOSE["services"]["grafana"]
    assert "/var/lib/grafana" in service["tmpfs"]
    assert service["environment"]["GF_PLUGINS_PREINSTALL_DISABLED"] == "true"
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    mounts = dict(mount.split(":")[1::-1] for mount in service["volumes"])
    assert (ROOT / mounts[str(Path(home).parent)] / Path(home).name).exists()
