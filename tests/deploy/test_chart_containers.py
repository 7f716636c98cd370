"""The containers of the Helm chart: commands of the compose file and the images, our settings, documented secrets, real
routes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fixtures.servers.compose_files import ROOT, SERVICES
from fixtures.servers.helm_chart import EXAMPLES, Container, container, containers, objects, pods, render, values_of
from samfleet.config import Settings
from samfleet.secret_files import SECRETS
from samfleet.variants.catalogue import get_record
from samfleet_api.app import create_app
from samfleet_cli.local_stack.settings import StackSettings
from samfleet_models.tools import calibrate
from samfleet_models.tools import gate as measure_gate

BACKEND = (ROOT / "triton_models/backends/sam/model.py").read_text("utf-8")
DOCUMENT = (ROOT / "docs/kubernetes.md").read_text("utf-8")
OURS = {f"SAMFLEET_{name}".upper() for name in (*Settings.model_fields, *StackSettings.model_fields)}
OURS |= set(re.findall(r"SAMFLEET_[A-Z_]+", BACKEND))
OF_LIBRARIES = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "PGPASSWORD"}
EXPANDED = {"BROKER_PASSWORD", "POD_NAME"}  # used as $(NAME) by other variables
every_example = pytest.mark.parametrize("example", EXAMPLES)


# Variables that Kubernetes sets in pods with service links, for a Service of any name.
SERVICE_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?)?$")


def of_dockerfile(name: str) -> list[str]:
    [line] = re.findall(r"^CMD (\[.*\])$", (ROOT / f"deploy/{name}.Dockerfile").read_text("utf-8"), re.MULTILINE)
    found: list[str] = json.loads(line)
    return found


def of_compose(service: str) -> list[str]:
    return [re.sub(r"\$\{\w+:-(\w+)\}", r"\1", word) for word in SERVICES[service]["command"]]


def test_commands_are_those_of_the_compose_file() -> None:
    found = objects("one-gpu-node")
    for name in ("api", "control", "beat"):
        assert container(found, f"samfleet-{name}/{name}").argv == of_compose(name)
    assert container(found, "samfleet-migrate/migrate").argv == of_compose("migrate")
    assert container(objects("one-node-cpu"), "samfleet-bucket/bucket").argv == of_compose("bucket")
    worker = of_compose("worker-gpu")
    assert container(found, "samfleet-pool-gpu/worker").argv == worker
    assert container(found, "samfleet-pool-cpu/worker").argv == [
        word.replace("pool.gpu", "pool.cpu") for word in worker
    ]


def test_commands_are_those_of_the_images() -> None:
    found = objects("one-gpu-node")
    assert container(found, "samfleet-pool-gpu/triton").argv == of_dockerfile("triton-gpu")
    assert container(found, "samfleet-pool-cpu/triton").argv == of_dockerfile("triton-cpu")


def test_images_fit_the_commands() -> None:
    for one in containers(objects("one-gpu-node")):
        wanted = "app"
        if one.facts["name"] == "triton":
            wanted = "triton-gpu" if "pool-gpu" in one.name else "triton-cpu"
        assert one.facts["image"].startswith(f"samfleet-{wanted}:"), one.name


def test_a_gate_of_int8_is_calibrated_first() -> None:
    values = values_of("two-gpu-pools")
    pools = {"epyc": {"device": "cpu", "measureGates": [{"variant": "sam_vit_b", "precision": "int8", "grid": 8}]}}
    found = render({**values, "defaultPool": "epyc", "pools": pools})
    [gate] = [one for one in containers(found) if one.facts["name"] == "gate"]
    *_, calibration = gate.pod["spec"]["initContainers"]
    assert calibrate._parser().parse_args(calibration["args"]).images == Path("/images")
    assert calibration["command"] == ["python3", "-m", calibrate.__name__]
    options = measure_gate._parser().parse_args(gate.facts["args"])
    assert (options.variant, options.precision, options.grid) == ("sam_vit_b", "int8", 8)
    assert gate.facts["command"] == ["python3", "-m", measure_gate.__name__]
    for facts in (calibration, gate.facts):
        [gates] = [mount for mount in facts["volumeMounts"] if mount["mountPath"] == "/var/lib/samfleet/gates"]
        assert not gates.get("readOnly")


def test_weights_and_gates_name_variants_that_exist() -> None:
    found = objects("two-gpu-pools")
    pull = container(found, "samfleet-weights/weights").argv
    assert pull == ["samfleet", "variants", "pull", "mobile_sam", "sam_vit_b"]
    for one in containers(found):
        if one.facts["name"] == "gate":
            assert one.argv == [
                "python3", "-m", "samfleet_models.tools.gate",
                "mobile_sam", "--precision=bf16", "--images=/images",
            ]  # fmt: skip
    for example in EXAMPLES:
        for name in values_of(example).get("variants", {}).get("load", ()):
            assert get_record(name).name == name


@every_example
def test_every_variable_is_a_setting_or_of_a_library(example: str) -> None:
    chosen = {variable["name"] for variable in values_of(example).get("extraEnv", ())}
    for one in containers(objects(example)):
        names = [variable["name"] for variable in one.facts["env"]]
        assert len(set(names)) == len(names), f"{one.name} has a variable twice"
        assert set(names) <= OURS | OF_LIBRARIES | EXPANDED | chosen, one.name


@every_example
def test_variables_that_others_use_come_before_them(example: str) -> None:
    """Kubernetes expands $(NAME) only if NAME is defined earlier."""
    for one in containers(objects(example)):
        seen: set[str] = set()
        for variable in one.facts["env"]:
            assert set(re.findall(r"\$\((\w+)\)", variable.get("value", ""))) <= seen, one.name
            seen.add(variable["name"])


def expanded(one: Container) -> dict[str, str]:
    """Return the environment with stand-ins for secrets and for what Kubernetes fills in."""
    found: dict[str, str] = {}
    for name, variable in one.env.items():
        value = variable.get("value", "2" if name == "SAMFLEET_THREADS" else "secretsecretsecretsecretsecret")
        found[name] = re.sub(r"\$\((\w+)\)", lambda match: found[match[1]], value)
    return found


@every_example
def test_the_settings_of_every_container_are_valid(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pools = set(values_of(example)["pools"])
    for one in containers(objects(example)):
        with monkeypatch.context() as patch:
            for name, value in expanded(one).items():
                patch.setenv(name, value)
            settings = Settings()
            if one.facts["name"] in {"api", "control"}:
                assert set(settings.pools) == pools
                assert next(iter(settings.pools)) == values_of(example).get("defaultPool", min(pools))
            if one.facts["name"] in {"control", "worker"}:
                assert settings.pool in settings.pools, "samfleet_worker.bootstrap would refuse"
                assert f"--concurrency={settings.worker_concurrency}" in one.argv
            if one.facts["name"] == "worker":
                assert f"--queues=samfleet.pool.{settings.pool}" in one.argv
                assert settings.pools[settings.pool] == ("secretsecretsecretsecretsecret:8001",)  # its pod's name
            if one.facts["name"] == "triton":
                assert StackSettings().variants == tuple(
                    values_of(example).get("variants", {}).get("load", ["mobile_sam"])
                )
            if "SAMFLEET_BROKER_URL" in one.env:
                assert settings.broker_url.startswith(("redis://", "rediss://"))


@every_example
def test_every_setting_of_a_part_in_the_compose_file_is_in_the_chart(example: str) -> None:
    for name, part in (("api", "api"), ("control", "control"), ("worker", "worker")):
        for one in containers(objects(example)):
            if one.facts["name"] == name:
                variables = SERVICES[part]["environment"].items()
                fixed = {secret_of(n) for n, value in variables if not re.search(r":-\}$", str(value))}
                optional = {
                    "SAMFLEET_ACCEPT_LICENSES", "SAMFLEET_DATASET_ROOTS", "SAMFLEET_LOG_FORMAT", "SAMFLEET_LOG_LEVEL",
                    "SAMFLEET_S3_ENDPOINT_URL", "SAMFLEET_SITE_KEY_FILE", "SAMFLEET_VARIANTS_DIR",
                    "SAMFLEET_WORKER_CONCURRENCY", "AWS_SHARED_CREDENTIALS_FILE",
                }  # fmt: skip
                assert fixed - optional <= set(one.env), one.name


def secret_of(variable: str) -> str:
    """Return the variable with the value of a secret, for one that names its file."""
    name = variable.removesuffix("_FILE")
    return name if name.removeprefix("SAMFLEET_").lower() in SECRETS else variable


def secret_keys(example: str) -> Iterator[tuple[str, str, str]]:
    """Yield (container, Secret, key) of every reference, volumes included."""
    for owner, pod in pods(objects(example)):
        for volume in pod["spec"]["volumes"]:
            for item in volume.get("secret", {}).get("items", ()):
                yield owner["metadata"]["name"], volume["secret"]["secretName"], item["key"]
    for one in containers(objects(example)):
        for variable in one.facts["env"]:
            reference = variable.get("valueFrom", {}).get("secretKeyRef")
            if reference:
                yield one.name, reference["name"], reference["key"]


@every_example
def test_every_secret_key_is_documented(example: str) -> None:
    documented = set(re.findall(r"^\| `([\w.-]+)` \| `\w+\.\w+` \|", DOCUMENT, re.MULTILINE))
    values = values_of(example)
    own = {str(value) for part in values.values() if isinstance(part, Mapping) for value in part.values()
           if isinstance(value, str)}  # fmt: skip
    secrets = {values.get("existingSecret")} | {
        part.get("existingSecret") for part in values.values() if isinstance(part, Mapping)
    }
    for name, secret, key in secret_keys(example):
        assert key in documented | own, f"{name}: docs/kubernetes.md does not list the key {key}"
        assert secret in secrets, name


def test_secrets_reach_only_the_parts_that_need_them() -> None:
    def holders(variable: str) -> set[str]:
        return {one.facts["name"] for one in containers(objects("two-gpu-pools")) if variable in one.env}

    assert holders("SAMFLEET_TRITON_SECRET") == {"triton", "worker"}
    assert holders("SAMFLEET_BOOTSTRAP_API_KEY") == {"migrate"}
    assert holders("PGPASSWORD") == {"api", "control", "worker", "migrate"}
    assert holders("BROKER_PASSWORD") == {"api", "control", "worker", "beat"}


def test_service_links_of_other_pods_change_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart's pods have none; others of the namespace, such as one that runs the image by hand, may."""
    linked = {name for name in OURS if SERVICE_LINK.search(name)}
    assert {"SAMFLEET_API_PORT", "SAMFLEET_METRICS_PORT", "SAMFLEET_REDIS_PORT"} <= linked
    before = Settings(), StackSettings()
    for name in linked:
        monkeypatch.setenv(name, "tcp://10.96.0.12:8080")
    assert (Settings(), StackSettings()) == before


def test_health_checks_are_those_of_the_compose_file() -> None:
    found = objects("one-gpu-node")
    for name, service in (("samfleet-control/control", "control"), ("samfleet-pool-gpu/worker", "worker-gpu")):
        probe = container(found, name).facts["readinessProbe"]["exec"]["command"]
        assert probe == ["sh", "-c", SERVICES[service]["healthcheck"]["test"][1]]
        liveness = container(found, name).facts["livenessProbe"]
        assert "-mmin -15 " in liveness["exec"]["command"][2], "a broker that is away would restart all workers"
        assert container(found, name).env["SAMFLEET_HEARTBEAT_FILE"]["value"] in probe[2]
    beat = container(found, "samfleet-beat/beat").facts["startupProbe"]["exec"]["command"]
    assert beat == ["sh", "-c", SERVICES["beat"]["healthcheck"]["test"][1]]
    for pool, service in (("cpu", "triton"), ("gpu", "triton-gpu")):
        triton = container(found, f"samfleet-pool-{pool}/triton").facts
        for probe in ("startupProbe", "livenessProbe"):
            assert triton[probe]["exec"]["command"] == SERVICES[service]["healthcheck"]["test"][1:]


def test_probes_and_public_paths_are_routes_of_the_api() -> None:
    routes = {str(path) for path in create_app(Settings()).openapi()["paths"]}
    api = container(objects("on-premises"), "samfleet-api/api").facts
    probed = {api[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert probed == {"/healthz", "/readyz"}
    assert probed <= routes

    def public(route: str, paths: list[dict[str, Any]]) -> bool:
        return any(
            route == path["path"] or (path["pathType"] == "Prefix" and route.startswith(f"{path['path']}/"))
            for path in paths
        )

    [ingress] = [one for one in objects("on-premises") if one["kind"] == "Ingress"]
    [rule] = ingress["spec"]["rules"]
    assert {route for route in routes if not public(route, rule["http"]["paths"])} == {"/metrics", "/readyz"}
    [route] = [one for one in objects("two-gpu-pools") if one["kind"] == "HTTPRoute"]
    matched = {(match["path"]["value"], match["path"]["type"]) for match in route["spec"]["rules"][0]["matches"]}
    kinds = {"Exact": "Exact", "Prefix": "PathPrefix"}
    assert matched == {(path["path"], kinds[path["pathType"]]) for path in rule["http"]["paths"]}
