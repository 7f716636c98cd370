"""NetworkPolicies of the Helm chart: each part reaches only what it needs, on the ports that exist."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from fixtures.servers.helm_chart import EXAMPLES, ROOT, Object, containers, objects, of_kind, render, values_of

every_example = pytest.mark.parametrize("example", EXAMPLES)


def policies(found: tuple[Object, ...]) -> dict[str, Object]:
    return {one["metadata"]["name"].removeprefix("samfleet-"): one["spec"] for one in of_kind(found, "NetworkPolicy")}


def ports(rules: list[Any]) -> set[int]:
    return {port["port"] for rule in rules for port in rule["ports"]}


@every_example
def test_every_pod_has_a_policy_for_both_directions(example: str) -> None:
    found = objects(example)
    for one in containers(found):
        labels = one.pod["metadata"]["labels"].items()
        [policy] = [p for p in policies(found).values() if p["podSelector"]["matchLabels"].items() <= labels]
        assert policy["policyTypes"] == ["Ingress", "Egress"], one.name


@every_example
def test_allowed_ports_are_those_that_containers_and_services_have(example: str) -> None:
    found = objects(example)
    for name, policy in policies(found).items():
        selected = [
            one for one in containers(found)
            if policy["podSelector"]["matchLabels"].items() <= one.pod["metadata"]["labels"].items()
        ]  # fmt: skip
        named = {port["name"]: port["containerPort"] for one in selected for port in one.facts.get("ports", ())}
        assert ports(policy["ingress"]) == set(named.values()), name
        for service in of_kind(found, "Service"):
            if service["spec"]["selector"].items() <= policy["podSelector"]["matchLabels"].items():
                assert {named[port["targetPort"]] for port in service["spec"]["ports"]} <= ports(policy["ingress"])


@every_example
def test_nobody_outside_its_pod_reaches_triton(example: str) -> None:
    found = objects(example)
    for name, policy in policies(found).items():
        assert 8001 not in ports(policy["ingress"]), name
    assert not any(port["port"] == 8001 for s in of_kind(found, "Service") for port in s["spec"]["ports"])


def test_each_part_reaches_what_it_needs_and_nothing_else() -> None:
    reached = {name: ports(policy["egress"]) for name, policy in policies(objects("one-node-cpu")).items()}
    everything = {53, 5432, 6379, 7070, 80, 443}
    assert reached == {
        "api": everything,
        "control": everything,
        "pool-cpu": everything,
        "beat": {53, 6379},
        "migrate": {53, 5432},
        "bucket": {53, 7070},
        "weights": {53, 80, 443},
        "gate-cpu": set(),
    }


def test_an_air_gapped_site_reaches_only_its_services() -> None:
    for name, policy in policies(objects("air-gapped")).items():
        assert ports(policy["egress"]) <= {53, 5432, 6379, 443}, name
    assert "80" not in yaml.safe_dump([p["egress"] for p in policies(objects("air-gapped")).values()])


def test_peers_of_the_values_are_those_of_the_rules() -> None:
    found, values = policies(objects("on-premises")), values_of("on-premises")["networkPolicy"]
    rules = {next(iter(ports([rule]))): rule for rule in found["api"]["egress"]}
    assert rules[5432]["to"] == values["egress"]["database"]["to"]
    assert rules[6379]["to"] == values["egress"]["broker"]["to"]
    assert rules[9021]["to"] == values["egress"]["objectStore"]["to"]
    assert rules[80]["to"] == values["egress"]["outside"]["to"]
    assert found["api"]["ingress"][0]["from"] == values["apiFrom"]
    monitored = policies(objects("two-gpu-pools"))
    peers = values_of("two-gpu-pools")["networkPolicy"]
    assert monitored["api"]["ingress"][0]["from"] == [*peers["apiFrom"], *peers["metricsFrom"]]
    assert monitored["pool-mig"]["ingress"][0]["from"] == peers["metricsFrom"]
    assert 4318 in ports(monitored["control"]["egress"])  # the collector of traces


def test_policies_can_be_left_out() -> None:
    assert policies(render({**values_of("one-node-cpu"), "networkPolicy": {"enabled": False}})) == {}


def test_monitoring_uses_the_files_of_deploy() -> None:
    found = objects("two-gpu-pools")
    [rules] = of_kind(found, "PrometheusRule")
    assert rules["spec"] == yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8"))
    dashboards = {path.name: path.read_text("utf-8").strip() for path in (ROOT / "deploy/grafana/dashboards").iterdir()}
    maps = [one for one in of_kind(found, "ConfigMap") if "grafana_dashboard" in one["metadata"]["labels"]]
    assert {name: text.strip() for one in maps for name, text in one["data"].items()} == dashboards
    jobs = {
        relabeling["replacement"]
        for monitor in of_kind(found, "ServiceMonitor")
        for endpoint in monitor["spec"]["endpoints"]
        for relabeling in endpoint["relabelings"]
    }
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert jobs == {job["job_name"] for job in scraped}
