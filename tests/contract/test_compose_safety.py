"""`docker-compose.yml` gives each container only what it needs: networks, secrets, rights, memory and time."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

from fixtures.servers.compose_files import COMPOSE, ROOT, SERVICES, images
from scripts.locks import LOCKS


def test_secrets_reach_only_the_services_that_need_them() -> None:
    def holders(secret: str) -> set[str]:
        return {name for name, service in SERVICES.items() if secret in service.get("secrets", ())}

    users = {"api", "control", "worker", "worker-gpu", "beat"}
    assert holders("triton_secret") == {"triton", "triton-gpu", "worker", "worker-gpu"}
    assert holders("api_key") == {"migrate"}
    assert holders("database_url") == users | {"migrate"}
    assert holders("broker_url") == users
    assert holders("s3_credentials") == users | {"bucket"}
    assert holders("postgres_password") == {"postgres"}
    assert holders("redis_password") == {"redis"}


def test_secrets_are_files_and_no_variables_or_arguments() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"SECRET|PASSWORD|API_KEY|ACCESS_KEY|DATABASE_URL|BROKER_URL", variable):
                assert variable.endswith("_FILE"), f"{name}: {variable}"
                assert str(value).removeprefix("/run/secrets/") in service["secrets"], f"{name}: {variable}"
        assert "PASSWORD" not in json.dumps(service.get("command", "")), (
            f"{name}: arguments stand in the list of processes"
        )
    assert [name for name, service in SERVICES.items() if "env_file" in service] == ["store"], "it reads no files"


def test_redis_takes_its_password_from_the_file(tmp_path: Path) -> None:
    """The command of the container, with a server that prints its configuration."""
    (tmp_path / "redis_password").write_text("from-the-file")
    server = tmp_path / "valkey-server"
    server.write_text('#!/bin/sh\necho "$@"; cat\n')
    server.chmod(0o755)
    script = SERVICES["redis"]["command"][2].replace("$$", "$").replace("/run/secrets", str(tmp_path))
    done = subprocess.run(
        ("sh", "-c", script), env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    arguments, configuration = done.stdout.splitlines()
    assert configuration == "requirepass from-the-file"
    assert "from-the-file" not in arguments


def _reachable(name: str) -> set[str]:
    """Return the services that share a network with this one."""
    networks = set(SERVICES[name]["networks"])
    return {other for other, service in SERVICES.items() if other != name and networks & set(service["networks"])}


def test_networks_connect_each_service_only_to_what_it_needs() -> None:
    """Prometheus can also reach the port of Triton's server, which the secret protects."""
    users = {"api", "bucket", "migrate", "control", "worker", "worker-gpu", "beat"}
    stores = {"postgres", "redis", "store"}

    assert _reachable("triton") == {"triton-gpu", "worker", "worker-gpu", "prometheus"}
    assert _reachable("triton-gpu") == {"triton", "worker", "worker-gpu", "prometheus"}
    for name in stores:
        assert _reachable(name) == (stores | users) - {name}
    assert _reachable("grafana") == {"prometheus"}
    assert _reachable("prometheus") == {
        "grafana", "api", "control", "worker", "worker-gpu", "triton", "triton-gpu",
    }  # fmt: skip
    assert not _reachable("weights") & stores


def test_only_networks_that_need_it_have_access_to_the_outside() -> None:
    networks = yaml.safe_load(COMPOSE)["networks"]

    assert {name for name, facts in networks.items() if not facts.get("internal")} == {"dashboards", "outside"}
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith(("127.0.0.1:", "${API_ADDRESS:-127.0.0.1}:")), f"{name}: {port}"


def test_every_service_is_bounded_and_has_few_rights() -> None:
    for name, service in SERVICES.items():
        assert service["mem_limit"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"]), name
        assert ("cap_add" in service) == (name == "postgres"), name
        assert "/tmp" in service.get("volumes", ()) or any(path.startswith("/tmp") for path in service["tmpfs"]), name


def test_triton_can_load_libraries_from_its_temporary_folder() -> None:
    """Docker mounts tmpfs with noexec unless told otherwise, and Triton's Python backend is copied there."""
    for name in ("triton", "triton-gpu"):
        assert SERVICES[name]["tmpfs"] == ["/tmp:exec"]


def test_workers_have_time_to_return_their_shards() -> None:
    for name in ("control", "worker", "worker-gpu"):
        assert SERVICES[name]["stop_grace_period"] == "5m"


def test_health_checks_use_no_broker_and_no_container_name() -> None:
    tests = {
        name: " ".join(service["healthcheck"]["test"]) for name, service in SERVICES.items() if "healthcheck" in service
    }

    assert not {name for name, test in tests.items() if "HOSTNAME" in test or "celery" in test}
    for name in ("control", "worker", "worker-gpu"):
        assert SERVICES[name]["environment"]["SAMFLEET_HEARTBEAT_FILE"] in tests[name]


def test_the_images_have_the_required_releases() -> None:
    named = dict(images())

    release = re.search(r"tritonserver:(\d+)\.(\d+)-", named["triton-gpu.Dockerfile"])
    valkey = re.search(r"valkey:(\d+)\.(\d+)\.(\d+)-", named["redis"])
    assert release
    assert valkey
    assert tuple(map(int, release.groups())) >= (26, 7)
    assert tuple(map(int, valkey.groups())) >= (8, 1, 6)


def test_the_image_of_the_application_has_every_extra_that_a_server_uses() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    [lock] = [lock for lock in LOCKS if lock.name == "app"]
    elsewhere = {"charts", "demo", "dev", "formats", "local", "mcp", "triton", "triton-gpu", "video"}
    assert set(lock.extras) == set(declared) - elsewhere
    explained = (ROOT / "docs" / "operations.md").read_text()
    for extra in set(lock.extras) - {"api", "cli", "worker"}:
        assert f"| `{extra}` | " in explained
