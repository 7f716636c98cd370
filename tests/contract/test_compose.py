"""`docker-compose.yml` follows the compose specification, names exact images, and hides nothing from `.env.example`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from samfleet.config import MIN_KEY_LENGTH, Settings
from samfleet_cli.local_stack.settings import StackSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SERVICES: Mapping[str, Any] = yaml.safe_load(COMPOSE)["services"]
DOCKERFILES = sorted(ROOT.glob("deploy/*.Dockerfile"))
BUILT_HERE = {f"samfleet-{name}:0.1.0" for name in ("app", "triton-cpu", "triton-gpu")}

VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<operator>:?[-?])?(?P<word>[^}]*)\}")
EXACT_VERSION = re.compile(r"^v?\d+\.\d+(\.\d+)?([-.][\w.-]+)?$")


def _documented() -> dict[str, str]:
    """Variables of the example, those in commented alternatives included; the first value counts."""
    found: dict[str, str] = {}
    for line in EXAMPLE.splitlines():
        name, equals, value = line.removeprefix("# ").partition("=")
        if equals and re.fullmatch(r"[A-Z][A-Z0-9_]*", name):
            found.setdefault(name, value)
    return found


def _interpolated() -> str:
    def replace(match: re.Match[str]) -> str:
        if match["operator"] in {"-", ":-"}:
            return match["word"]
        return "x" * MIN_KEY_LENGTH

    return VARIABLE.sub(replace, COMPOSE).replace("$$", "$")


def _validate(text: str) -> PyCompose:
    """The parser knows no merge keys, so YAML is read first and handed on as JSON, which is YAML too."""
    return PyCompose.from_yaml(json.dumps(yaml.safe_load(text)))


def _setting_names() -> set[str]:
    return {f"SAMFLEET_{name}".upper() for name in (*Settings.model_fields, *StackSettings.model_fields)}


def _images() -> Iterator[tuple[str, str]]:
    for name, service in SERVICES.items():
        yield name, service["image"]
    for path in DOCKERFILES:
        stages: set[str] = set()
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("FROM "):
                words = line.split()
                if words[1] not in stages:
                    yield path.name, words[1]
                stages |= set(words[3:4])


def test_the_file_follows_the_compose_specification() -> None:
    compose = _validate(_interpolated())

    assert set(compose.service_names()) == set(SERVICES)


def test_a_mistake_would_be_noticed() -> None:
    with pytest.raises(ValueError, match="imagee"):
        _validate(_interpolated().replace("image: valkey", "imagee: valkey"))


def test_the_services_of_the_design_are_there() -> None:
    assert set(SERVICES) >= {
        "postgres",
        "redis",
        "store",
        "migrate",
        "api",
        "control",
        "worker",
        "beat",
        "triton",
        "triton-gpu",
    }
    profiles = {name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service}
    assert profiles == {
        "triton-gpu": ["gpu"],
        "worker-gpu": ["gpu"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


@pytest.mark.parametrize(("where", "image"), sorted(set(_images())))
def test_every_image_is_pinned(where: str, image: str) -> None:
    if image in BUILT_HERE:
        assert SERVICES[where]["build"]
        return
    _, colon, tag = image.rpartition(":")
    assert "@sha256:" in image or (colon and EXACT_VERSION.match(tag)), f"{where}: {image} is not pinned"


def test_every_variable_is_documented_and_every_documented_one_is_used() -> None:
    used = {match["name"] for match in VARIABLE.finditer(COMPOSE)}

    assert used == set(_documented()) - {"COMPOSE_PROFILES"}


def test_a_default_is_the_same_in_both_files() -> None:
    documented = _documented()
    for match in VARIABLE.finditer(COMPOSE):
        wanted = match["word"] if match["operator"] == ":-" else ""
        assert documented[match["name"]] == wanted, match["name"]


def test_every_setting_exists() -> None:
    named = {name for name in _documented() if name.startswith("SAMFLEET_")}
    for service in SERVICES.values():
        named |= {name for name in service.get("environment", {}) if name.startswith("SAMFLEET_")}

    assert named <= _setting_names()


def test_the_settings_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    services = yaml.safe_load(_interpolated())["services"]
    for name in ("migrate", "api", "control", "worker", "worker-gpu", "beat"):
        with monkeypatch.context() as patch:
            for variable, value in services[name]["environment"].items():
                patch.setenv(variable, value)
            assert Settings().pools["default"] == ("triton:8001",)


def test_services_wait_for_what_they_need_and_say_when_they_are_healthy() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            one_shot = SERVICES[needed].get("restart") == "no"
            wanted = "service_completed_successfully" if one_shot else "service_healthy"
            assert how["condition"] == wanted, f"{name} → {needed}"
            assert one_shot or SERVICES[needed]["healthcheck"]["test"], needed
        assert service.get("restart") == "no" or service["healthcheck"]["test"], name


def test_workers_serve_the_pool_they_are_named_for() -> None:
    assert "--queues=samfleet.control" in SERVICES["control"]["command"]
    for name, pool in (("worker", "default"), ("worker-gpu", "gpu")):
        assert SERVICES[name]["environment"]["SAMFLEET_POOL"] == pool
        assert f"--queues=samfleet.pool.{pool}" in SERVICES[name]["command"]


def _mounted(service: Mapping[str, Any]) -> set[str]:
    return {mount.removesuffix(":ro").rpartition(":")[2] for mount in service.get("volumes", [])}


def test_variants_of_ones_own_reach_every_process_that_must_know_them() -> None:
    name = "SAMFLEET_VARIANTS_DIR"
    told = {service for service, facts in SERVICES.items() if name in facts.get("environment", {})}

    assert told == {"api", "control", "worker", "worker-gpu", "weights", "triton", "triton-gpu"}
    for service in told:
        folder = SERVICES[service]["environment"][name]
        [mount] = [mount for mount in SERVICES[service]["volumes"] if mount.endswith(f":{folder}:ro")]
        assert mount.startswith("${SAMFLEET_VARIANTS_DIR:-./deploy/variants}:")
    assert (ROOT / "deploy/variants").is_dir(), "Docker would make it, as root"


def test_the_api_knows_its_site_and_keeps_its_key() -> None:
    environment = SERVICES["api"]["environment"]

    assert {"SAMFLEET_SITE", "SAMFLEET_MAX_SITE_FILE_BYTES"} <= set(environment)
    assert str(Path(environment["SAMFLEET_SITE_KEY_FILE"]).parent) in _mounted(SERVICES["api"])


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_what_a_dockerfile_copies_exists_and_it_does_not_end_as_root(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()}
    for line in lines:
        words = shlex.split(line) if line.startswith("COPY ") else []
        if words and not any(word.startswith("--from=") for word in words):
            for source in [word for word in words[1:-1] if not word.startswith("--")]:
                assert (ROOT / source).exists(), source
                assert {source, *map(str, Path(source).parents)} & let_in, f"{source} is kept out by .dockerignore"
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1] not in {"root", "0"}


def test_every_build_has_its_dockerfile() -> None:
    built = {service["build"]["dockerfile"] for service in SERVICES.values() if "build" in service}

    assert built == {str(path.relative_to(ROOT)) for path in DOCKERFILES}
    assert all(service["build"]["context"] == "." for service in SERVICES.values() if "build" in service)
