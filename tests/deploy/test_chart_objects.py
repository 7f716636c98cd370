"""The objects that the Helm chart renders: valid for Kubernetes, consistent with each other, and with few rights."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from helm_python import Chart, lint

from fixtures.servers.helm_chart import (
    CHART,
    EXAMPLES,
    ROOT,
    Object,
    containers,
    objects,
    of_kind,
    pods,
    render,
    values_of,
)

VERSIONS = ("1.29", "1.37")  # the oldest that the chart allows, and the newest with published schemas
ELSEWHERE = {"gateway.networking.k8s.io/v1", "keda.sh/v1alpha1", "monitoring.coreos.com/v1"}  # not of Kubernetes itself
every_example = pytest.mark.parametrize("example", EXAMPLES)


@every_example
def test_the_chart_lints(example: str) -> None:
    found = lint(str(CHART), values_of(example))
    assert [message for message in found["messages"] if message["severity"] > 1] == []


@every_example
def test_objects_are_valid_for_kubernetes(example: str) -> None:
    for found in objects(example):
        if found["apiVersion"] not in ELSEWHERE:
            for version in VERSIONS:
                kubernetes_validate.validate(dict(found), version, strict=True)


def test_an_invalid_object_is_detected() -> None:
    found = dict(of_kind(objects("one-node-cpu"), "Service")[0])
    found["spec"] = {**found["spec"], "portz": []}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, VERSIONS[-1], strict=True)


@every_example
def test_names_are_unique_and_short_enough(example: str) -> None:
    names = [(found["kind"], found["metadata"]["name"]) for found in objects(example)]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for _, name in names)


def test_the_longest_names_leave_room_for_those_of_pods() -> None:
    """Kubernetes adds 17 characters to a Deployment's name for its pods, 6 to a Job's; labels have 63 at most."""
    values, pool = values_of("two-gpu-pools"), "p" * 16
    found = render({**values, "fullnameOverride": "r" * 24, "defaultPool": pool, "pools": {pool: {}}})
    room = {"Deployment": 46, "Job": 57}
    for one in found:
        assert len(one["metadata"]["name"]) <= room.get(one["kind"], 63), one["metadata"]["name"]


def test_a_package_contains_the_alerts_and_dashboards(tmp_path: Path) -> None:
    """A package cannot reach the files of `deploy/`, to which the repository has links."""
    with Chart.load(CHART) as chart:
        archive = chart.save(tmp_path)
    with Chart.load(archive) as packaged:
        files = {file["name"]: file["data"] for file in packaged.files}
    assert files["files/alerts.yml"] == (ROOT / "deploy/prometheus/alerts.yml").read_text("utf-8")
    for dashboard in (ROOT / "deploy/grafana/dashboards").iterdir():
        assert files[f"files/dashboards/{dashboard.name}"] == dashboard.read_text("utf-8")
    assert not any(name.startswith("examples/") for name in files)


@every_example
def test_no_pod_gets_service_links_or_a_token(example: str) -> None:
    for owner, pod in pods(objects(example)):
        spec = pod["spec"]
        assert spec["enableServiceLinks"] is False, owner["metadata"]["name"]
        assert spec["automountServiceAccountToken"] is False, owner["metadata"]["name"]
    for account in of_kind(objects(example), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@every_example
def test_every_container_meets_the_restricted_standard(example: str) -> None:
    for container in containers(objects(example)):
        pod, security = container.pod["spec"]["securityContext"], container.facts["securityContext"]
        assert pod["runAsNonRoot"] is True, container.name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, container.name
        on_gpu = "samfleet-triton-gpu:" in container.facts["image"]
        assert security["runAsUser"] == (1000 if on_gpu else 10001), container.name
        assert security["allowPrivilegeEscalation"] is False, container.name
        assert security["readOnlyRootFilesystem"] is True, container.name
        assert security["capabilities"] == {"drop": ["ALL"]}, container.name
        assert container.facts["resources"]["limits"]["memory"], container.name


def test_the_users_are_those_of_the_images() -> None:
    files = {path.name.partition(".")[0]: path.read_text("utf-8") for path in ROOT.glob("deploy/*.Dockerfile")}
    assert "useradd --uid 10001" in files["app"]
    assert "useradd --uid 10001" in files["triton-cpu"]
    assert files["triton-gpu"].rpartition("\nUSER ")[2].startswith("triton-server\n")  # 1000 in NVIDIA's images


@every_example
def test_every_mount_has_a_volume_and_every_volume_a_mount(example: str) -> None:
    for owner, pod in pods(objects(example)):
        spec = pod["spec"]
        used = {
            mount["name"]
            for container in (*spec.get("initContainers", ()), *spec["containers"])
            for mount in container["volumeMounts"]
        }
        assert used == {volume["name"] for volume in spec["volumes"]}, owner["metadata"]["name"]


@every_example
def test_claims_and_accounts_that_pods_name_exist(example: str) -> None:
    found = objects(example)
    persistence = [values_of(example).get(part, {}).get("persistence", {}) for part in ("weights", "gates")]
    elsewhere = {"photographs", "compiled-for-gpu", *(part.get("existingClaim") for part in persistence)}
    claims = {claim["metadata"]["name"] for claim in of_kind(found, "PersistentVolumeClaim")} | elsewhere
    accounts = {account["metadata"]["name"] for account in of_kind(found, "ServiceAccount")}
    for owner, pod in pods(found):
        for volume in pod["spec"]["volumes"]:
            claim = volume.get("persistentVolumeClaim")
            assert claim is None or claim["claimName"] in claims, owner["metadata"]["name"]
        hook = "helm.sh/hook" in owner["metadata"].get("annotations", {})
        wanted = {"default"} if hook else accounts  # hooks run before the release has an account
        assert pod["spec"]["serviceAccountName"] in wanted, owner["metadata"]["name"]


@every_example
def test_selectors_match_the_labels_of_one_workload_each(example: str) -> None:
    found = objects(example)
    workloads = {owner["metadata"]["name"]: pod["metadata"]["labels"] for owner, pod in pods(found)}
    for one in of_kind(found, "Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"):
        selected = [name for name, labels in workloads.items() if _selector(one).items() <= labels.items()]
        optional = one["kind"] == "NetworkPolicy" and _component(one) in {"gate", "weights", "bucket"}
        several = one["kind"] == "NetworkPolicy" and _component(one) == "gate"
        assert len(selected) == 1 or (optional and not selected) or several, one["metadata"]["name"]
    for monitor in of_kind(found, "ServiceMonitor"):
        labels = monitor["spec"]["selector"]["matchLabels"].items()
        [service] = [s for s in of_kind(found, "Service") if labels <= s["metadata"]["labels"].items()]
        ports = {port["name"] for port in service["spec"]["ports"]}
        assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} == ports


def _selector(one: Object) -> dict[str, str]:
    spec = one["spec"]
    found = spec.get("podSelector") or spec["selector"]
    labels: dict[str, str] = found.get("matchLabels", found)
    return labels


def _component(one: Object) -> str:
    return _selector(one)["app.kubernetes.io/component"]


@every_example
def test_there_is_one_beat_and_never_two(example: str) -> None:
    [beat] = [found for found in of_kind(objects(example), "Deployment") if _component(found) == "beat"]
    assert (beat["spec"]["replicas"], beat["spec"]["strategy"]) == (1, {"type": "Recreate"})


@every_example
def test_images_have_the_version_of_the_chart(example: str) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for container in containers(objects(example)):
        tag = container.facts["image"].partition("@")[0].rpartition(":")[2]
        assert tag == version, container.name


def test_images_of_an_air_gapped_site_are_pinned_by_digest_in_its_registry() -> None:
    for container in containers(objects("air-gapped")):
        image = container.facts["image"]
        assert image.startswith("registry.internal:5000/samfleet/samfleet-"), container.name
        assert "@sha256:" in image, container.name


@every_example
def test_a_pool_without_keda_has_replicas_and_one_with_it_has_none(example: str) -> None:
    found = objects(example)
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind(found, "ScaledObject")}
    for deployment in of_kind(found, "Deployment"):
        assert ("replicas" in deployment["spec"]) is (deployment["metadata"]["name"] not in scaled)
    assert scaled <= {deployment["metadata"]["name"] for deployment in of_kind(found, "Deployment")}


def test_each_pool_gets_its_hardware() -> None:
    found = objects("two-gpu-pools")
    limits: dict[str, Any] = {one.name: one.facts["resources"]["limits"] for one in containers(found)}
    assert limits["samfleet-pool-h100/triton"]["nvidia.com/gpu"] == 1
    assert limits["samfleet-pool-mig/triton"]["nvidia.com/mig-3g.40gb"] == 1
    assert "nvidia.com/gpu" not in limits["samfleet-pool-mig/triton"]
    gates = [one for one in containers(found) if one.facts["name"] == "gate"]
    assert {one.pod["metadata"]["labels"]["samfleet/pool"] for one in gates} == {"h100", "mig"}
    for one in containers(found):
        pool = one.pod["metadata"]["labels"].get("samfleet/pool")
        if pool:
            assert one.pod["spec"]["nodeSelector"] == values_of("two-gpu-pools")["pools"][pool]["nodeSelector"]
            assert one.pod["spec"]["tolerations"], one.name


@every_example
def test_triton_has_shared_memory_and_time_to_start_and_outlives_the_worker(example: str) -> None:
    for container in containers(objects(example)):
        if container.facts["name"] == "triton":
            [volume] = [v for v in container.pod["spec"]["volumes"] if v["name"] == "shared-memory"]
            assert volume["emptyDir"]["medium"] == "Memory"
            assert {"name": "shared-memory", "mountPath": "/dev/shm"} in container.facts["volumeMounts"]
            probe = container.facts["startupProbe"]
            assert probe["periodSeconds"] * probe["failureThreshold"] >= 3600
            assert container.facts["restartPolicy"] == "Always"  # a sidecar
            assert container.facts in container.pod["spec"]["initContainers"]
            assert container.pod["spec"]["terminationGracePeriodSeconds"] >= 100
