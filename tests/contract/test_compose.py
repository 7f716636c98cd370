"""`docker-compose.yml` follows the compose specification, pins exact images, and matches `.env.example`."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from compose_spec import PyCompose

from fixtures.servers.compose_files import BUILT_HERE, COMPOSE, EXAMPLE, ROOT, SERVICES, images
from samfleet.config import MIN_KEY_LENGTH, Settings
from samfleet.secret_files import SECRETS, file_variable
from samfleet_cli.local_stack.settings import StackSettings

VARIABLE = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<operator>:?[-?])?(?P<word>[^}]*)\}")
PINNED = re.compile(r"^[\w./-]+:v?\d+\.\d+(\.\d+)?([-.][\w.-]+)?@sha256:[0-9a-f]{64}$")

# Variables that the compose file sets by itself, or only for some containers.
FIXED = {
    "DATABASE_URL",
    "BROKER_URL",
    "POOL",
    "WEIGHTS_DIR",
    "VARIANTS_DIR",
    "SITE_KEY_FILE",
    "METRICS_PORT",
    "METRICS_HOST",
    "HEARTBEAT_FILE",
    "BOOTSTRAP_API_KEY",
    "TRITON_SECRET",
}
SECRETS_FOLDER = "/run/secrets/"  # fmt: skip
BACKEND = (ROOT / "triton_models/backends/sam/model.py").read_text(encoding="utf-8")


def _documented() -> dict[str, str]:
    """Return the variables of the example, including those in commented alternatives; the first value counts."""
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
    """Validate the text against the compose specification.

    The parser knows no merge keys, so YAML is read first and passed on as JSON, which is also YAML. It accepts a tag or
    a digest for an image; Docker and podman accept both, and then the digest counts.
    """
    without_tags = re.sub(r":[\w.-]+@sha256:", "@sha256:", text)
    return PyCompose.from_yaml(json.dumps(yaml.safe_load(without_tags)))


def _setting_names() -> set[str]:
    ours = {f"SAMFLEET_{name}".upper() for name in (*Settings.model_fields, *StackSettings.model_fields)}
    ours |= {file_variable(name) for name in SECRETS}
    return ours | set(re.findall(r"SAMFLEET_[A-Z_]+", BACKEND))


def test_the_file_follows_the_compose_specification() -> None:
    compose = _validate(_interpolated())

    assert set(compose.service_names()) == set(SERVICES)


def test_a_mistake_in_the_file_is_detected() -> None:
    with pytest.raises(ValueError, match="imagee"):
        _validate(_interpolated().replace("image: valkey", "imagee: valkey"))


def test_the_services_of_the_design_exist() -> None:
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


@pytest.mark.parametrize(("where", "image"), sorted(set(images())))
def test_every_image_is_pinned_by_digest(where: str, image: str) -> None:
    if image in BUILT_HERE:
        assert SERVICES[where]["build"]
        return
    assert PINNED.match(image), f"{where}: {image} has no tag with a digest"


def test_images_of_the_same_name_have_the_same_version() -> None:
    named = {image for _, image in images()}

    assert len({image.partition("@")[0].partition(":")[0] for image in named}) == len(named)


def test_variables_and_their_documentation_match() -> None:
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


def test_the_settings_of_every_service_are_valid(monkeypatch: pytest.MonkeyPatch, secrets: Path) -> None:
    services = yaml.safe_load(_interpolated().replace(SECRETS_FOLDER, f"{secrets}/"))["services"]
    for name in ("bucket", "migrate", "api", "control", "worker", "worker-gpu", "beat"):
        with monkeypatch.context() as patch:
            for variable, value in services[name]["environment"].items():
                patch.setenv(variable, value)
            settings = Settings()
            assert settings.pools["default"] == ("triton:8001",)
            given = settings.model_fields_set & set(SECRETS)
            mounted = set(services[name]["secrets"])
            assert {"bootstrap_api_key" if one == "api_key" else one for one in mounted} - {"s3_credentials"} == given
            if "s3_credentials" in mounted:
                credentials = boto3.session.Session().get_credentials()
                assert credentials is not None
                assert credentials.access_key == (secrets / "s3_access_key").read_text()


def test_secrets_are_made_once_and_fit_each_other(secrets: Path) -> None:
    contents = {path.name: path.read_text() for path in secrets.iterdir()}
    assert f":{contents['postgres_password']}@postgres:5432/samfleet" in contents["database_url"]
    assert f":{contents['redis_password']}@redis:6379/0" in contents["broker_url"]
    for name in ("s3_credentials", "store.env"):
        assert contents["s3_access_key"] in contents[name]
        assert contents["s3_secret_key"] in contents[name]
    made = [contents[name] for name in contents if re.fullmatch(r"[0-9a-f]+", contents[name])]
    assert len(set(made)) == 6
    assert min(map(len, made)) >= MIN_KEY_LENGTH
    (secrets / "redis_password").unlink()
    (secrets / "broker_url").unlink()
    _make_secrets(secrets)
    changed = {path.name for path in secrets.iterdir() if path.read_text() != contents[path.name]}
    assert changed == {"redis_password", "broker_url"}


def test_other_accounts_cannot_enter_the_folder_and_containers_can_read_the_files(secrets: Path) -> None:
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o644}


def test_every_secret_of_the_file_is_made_and_documented(secrets: Path) -> None:
    files = {facts["file"] for facts in yaml.safe_load(COMPOSE)["secrets"].values()}
    files |= {path for service in SERVICES.values() for path in service.get("env_file", ())}
    made = {path.name for path in secrets.iterdir()}
    assert {path.removeprefix("${SECRETS_DIR:-./deploy/secrets}/") for path in files} <= made
    documented = (ROOT / "deploy" / "secrets" / "README.md").read_text()
    assert not [name for name in made if f"`{name}`" not in documented]
    kept_out = subprocess.run(
        ("git", "check-ignore", *(f"deploy/secrets/{name}" for name in made)), cwd=ROOT, check=True
    )
    assert kept_out.returncode == 0


def _make_secrets(folder: Path) -> None:
    subprocess.run((ROOT / "deploy" / "make_secrets.sh", folder), check=True, capture_output=True)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    _make_secrets(tmp_path / "secrets")
    return tmp_path / "secrets"


def test_every_setting_reaches_the_containers() -> None:
    wanted = {f"SAMFLEET_{name}".upper() for name in Settings.model_fields}
    fixed = {f"SAMFLEET_{name}" for name in FIXED}
    for name in ("api", "control", "worker", "worker-gpu", "beat"):
        environment = SERVICES[name]["environment"]
        assert wanted - fixed <= set(environment), name
        for variable in wanted - fixed:
            assert str(environment[variable]).startswith(f"${{{variable}:-"), f"{name}: {variable} is not that of .env"
    assert fixed <= wanted


def test_every_setting_of_the_backend_reaches_triton() -> None:
    for name in ("triton", "triton-gpu"):
        assert set(re.findall(r"SAMFLEET_[A-Z_]+", BACKEND)) <= set(SERVICES[name]["environment"])


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"SAMFLEET_{name}".upper(), "")

    assert Settings() == Settings.model_construct()


def test_the_api_logs_one_line_per_request() -> None:
    assert SERVICES["api"]["command"][:3] == ["python", "-m", "samfleet_api"]


def test_jobs_run_on_the_gpu_by_default_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = [line for line in EXAMPLE.splitlines() if line.startswith("# SAMFLEET_POOLS=")]
    monkeypatch.setenv("SAMFLEET_POOLS", line.partition("=")[2])

    assert list(Settings().pools) == ["gpu", "default"]


def test_services_wait_for_their_dependencies_and_have_health_checks() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            one_shot = SERVICES[needed].get("restart") == "no"
            wanted = "service_completed_successfully" if one_shot else "service_healthy"
            assert how["condition"] == wanted, f"{name} → {needed}"
            assert one_shot or SERVICES[needed]["healthcheck"]["test"], needed
        assert service.get("restart") == "no" or service["healthcheck"]["test"], name


def test_workers_serve_the_pool_of_their_name() -> None:
    assert "--queues=samfleet.control" in SERVICES["control"]["command"]
    for name, pool in (("worker", "default"), ("worker-gpu", "gpu")):
        assert SERVICES[name]["environment"]["SAMFLEET_POOL"] == pool
        assert f"--queues=samfleet.pool.{pool}" in SERVICES[name]["command"]


def _mounted(service: Mapping[str, Any]) -> set[str]:
    return {mount.removesuffix(":ro").rpartition(":")[2] for mount in service.get("volumes", [])}


def test_user_variants_reach_every_process_that_needs_them() -> None:
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

    assert "SAMFLEET_SITE" in environment
    assert str(Path(environment["SAMFLEET_SITE_KEY_FILE"]).parent) in _mounted(SERVICES["api"])
