"""Wrong values of the Helm chart are refused with the key's name; what follows from other files is up to date."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from helm_python import HelmError

from fixtures.servers.helm_chart import CHART, containers, objects, of_kind, render
from samfleet.config import Settings
from scripts.helm_chart import DERIVED, DOCUMENT, SCHEMA, document_text, schema_text

MINIMAL: dict[str, Any] = {
    "existingSecret": "samfleet",
    "database": {"host": "pg"},
    "broker": {"host": "redis"},
    "objectStore": {"url": "s3://samfleet/results"},
    "pools": {"cpu": {}},
}


def changed(**values: Any) -> dict[str, Any]:
    return {**MINIMAL, **values}


WRONG = {
    "unknown key": (changed(replicas=2), "replicas"),
    "unknown key of a part": (changed(api={"replica": 2}), "/api.*replica"),
    "unknown key of a pool": (changed(pools={"cpu": {"worker": {"threads": 2}}}), "/pools/cpu/worker.*threads"),
    "unknown setting": (changed(settings={"SAMFLEET_SHARD_SIZES": 3}), "/settings.*SAMFLEET_SHARD_SIZES"),
    "derived setting": (changed(settings={"SAMFLEET_POOLS": "a=b:1"}), "/settings.*SAMFLEET_POOLS"),
    "wrong type": (changed(control={"replicas": "two"}), "/control/replicas.*integer"),
    "no beat": (changed(beat={"replicas": 2}), "/beat.*replicas"),
    "no pool": (changed(pools={}), "/pools.*minProperties"),
    "name of a pool": (changed(pools={"GPU_1": {}}), "/pools.*GPU_1"),
    "no database": ({**MINIMAL, "database": {}}, "/database/host"),
    "kind of a device": (changed(pools={"cpu": {"device": "tpu"}}), "/pools/cpu/device.*cuda"),
    "address of the store": (changed(objectStore={"url": "minio:9000/results"}), "/objectStore/url"),
    "digest": (changed(image={"app": {"digest": "1.0"}}), "/image/app/digest"),
    "no secret": (changed(existingSecret=""), "tritonSecret.existingSecret: name a Secret with the key triton-secret"),
    "secret without a key": (
        changed(existingSecret="", secret={"create": True, "values": {"database-password": "x"}}),
        "secret.values: the key triton-secret is missing",
    ),
    "default pool": (changed(defaultPool="gpu"), r"defaultPool: gpu is none of the pools \(cpu\)"),
    "execution without gates": (
        changed(pools={"cpu": {"execution": "bf16"}}),
        "pools.cpu.execution: bf16 needs a passed gate",
    ),
    "gate without images": (
        changed(
            gates={"persistence": {"enabled": True}},
            pools={"cpu": {"measureGates": [{"variant": "mobile_sam", "precision": "bf16"}]}},
        ),
        "gates.images: name a volume with photographs",
    ),
    "two sources of variants": (
        changed(variants={"own": {"a.yaml": ""}, "volume": {"emptyDir": {}}}),
        "variants.volume: leave variants.own empty",
    ),
    "ingress without hosts": (changed(ingress={"enabled": True}), "ingress.hosts: name one host or more"),
    "route without a gateway": (changed(httpRoute={"enabled": True}), "httpRoute.parentRefs: name the Gateway"),
    "fewest above most": (
        changed(pools={"cpu": {"keda": {"enabled": True, "minReplicas": 5}}}),
        "pools.cpu.keda.maxReplicas: 4 is less than minReplicas",
    ),
    "unscraped API": (
        changed(networkPolicy={"apiFrom": [{"podSelector": {}}]}, monitoring={"serviceMonitors": {"enabled": True}}),
        "networkPolicy.metricsFrom: name Prometheus",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_refused_with_its_key(name: str) -> None:
    values, message = WRONG[name]
    with pytest.raises(HelmError, match=f"(?s){message}"):
        render(values)


def test_the_schema_names_every_value_and_describes_it() -> None:
    schema, values = json.loads(SCHEMA.read_text()), yaml.safe_load((CHART / "values.yaml").read_text())

    def compare(facts: dict[str, Any], value: Any, path: str) -> None:
        if "$ref" in facts:
            facts = {**schema["definitions"][facts["$ref"].rpartition("/")[2]], **facts}
        assert facts["description"], path
        if path == "settings" or "properties" not in facts or path.endswith(("triton.settings", "resources")):
            return
        assert facts["additionalProperties"] is False, path
        assert set(facts["properties"]) - {"global"} >= set(value), path
        for name, below in facts["properties"].items():
            if name != "global":
                assert name in value, f"values.yaml does not show {path}.{name}"
                compare(below, value[name], f"{path}.{name}".strip("."))

    compare({**schema, "description": "all"}, values, "")


def test_generated_parts_are_up_to_date() -> None:
    assert SCHEMA.read_text("utf-8") == schema_text(), "run `make generated`"
    assert DOCUMENT.read_text("utf-8") == document_text(), "run `make generated`"
    assert set(Settings.model_fields) > DERIVED


def test_large_numbers_reach_the_containers_as_written() -> None:
    found = render(changed(settings={"SAMFLEET_MAX_ARCHIVE_BYTES": 68719476736, "SAMFLEET_SHARD_TIME": 2.5}))
    for container in containers(found):
        if "SAMFLEET_MAX_ARCHIVE_BYTES" in container.env:
            assert container.env["SAMFLEET_MAX_ARCHIVE_BYTES"]["value"] == "68719476736"
            assert container.env["SAMFLEET_SHARD_TIME"]["value"] == "2.5"


def test_one_run_can_use_every_replica_of_the_largest_pool() -> None:
    def in_flight(values: dict[str, Any]) -> str:
        found = [one for one in containers(render(values)) if one.facts["name"] == "control"]
        return str(found[0].env["SAMFLEET_SHARDS_IN_FLIGHT"]["value"])

    assert in_flight(MINIMAL) == "4"
    assert (
        in_flight(changed(pools={"cpu": {"replicas": 3}, "gpu": {"device": "cuda", "worker": {"concurrency": 6}}}))
        == "12"
    )
    assert in_flight(changed(pools={"cpu": {"keda": {"enabled": True, "maxReplicas": 10}}})) == "40"
    assert in_flight(changed(settings={"SAMFLEET_SHARDS_IN_FLIGHT": 7})) == "7"


def test_a_secret_is_made_only_on_request_and_before_the_migration() -> None:
    assert of_kind(render(MINIMAL), "Secret") == []
    assert not any(of_kind(objects(example), "Secret") for example in ("one-node-cpu", "on-premises"))
    keys = (
        "database-password",
        "broker-password",
        "s3-access-key",
        "s3-secret-key",
        "triton-secret",
        "bootstrap-api-key",
    )
    values = changed(existingSecret="", secret={"create": True, "values": dict.fromkeys(keys, "x" * 32)})
    [secret] = of_kind(render(values), "Secret")
    assert set(secret["stringData"]) == set(keys)
    [migrate] = [job for job in of_kind(render(values), "Job") if job["metadata"]["name"] == "samfleet-migrate"]
    hooks = [one["metadata"]["annotations"] for one in (secret, migrate)]
    assert [hook["helm.sh/hook"] for hook in hooks] == ["pre-install,pre-upgrade"] * 2
    assert int(hooks[0]["helm.sh/hook-weight"]) < int(hooks[1]["helm.sh/hook-weight"])


def test_own_variants_reach_every_container_that_reads_records() -> None:
    for variants in (
        {"own": {"my_sam.yaml": "fixed: {}"}},
        {"volume": {"nfs": {"server": "nas", "path": "/variants"}}},
    ):
        found = render(changed(variants=variants))
        for container in containers(found):
            mounts = {mount["mountPath"] for mount in container.facts["volumeMounts"]}
            reads = container.facts["name"] not in {"beat", "migrate"}
            assert ("/var/lib/samfleet/variants" in mounts) is reads, container.name
            assert ("SAMFLEET_VARIANTS_DIR" in container.env) is reads, container.name
        assert len(of_kind(found, "ConfigMap")) == ("own" in variants)


def test_a_platform_may_assign_the_users() -> None:
    found = render(changed(imageUsers=False, podSecurityContext={"fsGroup": None}))
    for container in containers(found):
        assert "runAsUser" not in container.facts["securityContext"], container.name
        assert "fsGroup" not in container.pod["spec"]["securityContext"], container.name
        assert container.pod["spec"]["securityContext"]["runAsNonRoot"] is True


def test_a_changed_job_gets_another_name() -> None:
    def name(values: dict[str, Any]) -> str:
        [job] = [one for one in of_kind(render(values), "Job") if "weights" in one["metadata"]["name"]]
        return str(job["metadata"]["name"])

    assert name(MINIMAL) == name(MINIMAL) != name(changed(variants={"load": ["tinysam"]}))


def test_serving_with_a_passed_gate_does_not_measure_it_again() -> None:
    def names(execution: str) -> list[str]:
        pool = {"execution": execution, "measureGates": [{"variant": "mobile_sam", "precision": "bf16"}]}
        gates = {"images": {"emptyDir": {}}, "persistence": {"enabled": True}}
        found = render(changed(gates=gates, pools={"cpu": pool}))
        return [job["metadata"]["name"] for job in of_kind(found, "Job") if "-gate-" in job["metadata"]["name"]]

    assert names("fp32") == names("mobile_sam=bf16,*=fp32")
    assert len(names("fp32")) == 1
