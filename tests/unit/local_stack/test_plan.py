from __future__ import annotations

import stat
from pathlib import Path

import pytest

from samfleet.config import Settings
from samfleet_cli.local_stack.layout import StateDir
from samfleet_cli.local_stack.part import ExternalPart
from samfleet_cli.local_stack.plan import StackPlan, make_plan
from samfleet_cli.local_stack.ports import metrics_urls
from samfleet_cli.local_stack.settings import StackSettings

PASSWORDS = ("in-the-url", "also-secret")


def _plan(state_dir: Path, settings: Settings, api_port: int | None = None) -> StackPlan:
    StateDir(state_dir).create()
    return make_plan(settings, StackSettings(state_dir=state_dir, api_port=api_port), {})


def _external() -> Settings:
    return Settings(
        database_url=f"postgresql+psycopg://user:{PASSWORDS[0]}@db.example:5432/samfleet",
        broker_url=f"redis://:{PASSWORDS[1]}@redis.example:6379/0",
        pools={"a100": ("gpu1:8001", "gpu2:8001"), "l4": ("gpu3:8001",)},
        storage_url="s3://bucket/prefix",
    )


def test_configured_services_are_external_and_not_started(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _external())

    assert [part.name for part in plan.parts] == ["migrate", "api", "control", "worker-a100", "worker-l4", "beat"]
    assert plan.external == (
        ExternalPart("postgres", "postgresql+psycopg://db.example:5432/samfleet"),
        ExternalPart("redis", "redis://redis.example:6379/0"),
        ExternalPart("triton", "gpu1:8001, gpu2:8001, gpu3:8001"),
        ExternalPart("storage", "s3://bucket/prefix"),
    )


def test_each_worker_serves_one_pool_and_no_worker_the_control_queue(tmp_path: Path) -> None:
    workers = {part.name: part for part in _plan(tmp_path, _external()).parts}

    assert workers["control"].argv[-1] == "samfleet.control"
    assert workers["worker-l4"].env["SAMFLEET_POOL"] == "l4"
    assert workers["worker-l4"].argv[-1] == "samfleet.pool.l4"
    assert workers["worker-a100"].argv[-1] == "samfleet.pool.a100"


def test_no_secret_appears_in_a_command_line_or_an_address(tmp_path: Path) -> None:
    settings = Settings(pools={"elsewhere": ("gpu:8001",)})
    plan = _plan(tmp_path, settings)
    secrets = [
        plan.info.api_key,
        *((tmp_path / name).read_text(encoding="utf-8") for name in ("postgres_password", "redis_password")),
    ]

    shown = " ".join([*(" ".join(part.argv) for part in plan.parts), *(part.address or "" for part in plan.parts)])

    assert not [secret for secret in secrets if secret in shown]
    assert stat.S_IMODE((tmp_path / "redis" / "redis.conf").stat().st_mode) == 0o600


def test_the_children_read_the_planned_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = _plan(tmp_path, Settings(pools={"elsewhere": ("gpu:8001",)}), api_port=8123)
    worker = next(part for part in plan.parts if part.name == "worker")
    for name, value in worker.env.items():
        monkeypatch.setenv(name, value)

    settings = Settings()

    assert settings.database_url == plan.info.database_url
    assert settings.broker_url == plan.info.broker_url
    assert settings.storage_url == (tmp_path / "storage").as_uri()
    assert settings.pools == {"elsewhere": ("gpu:8001",)}
    assert settings.pool == "elsewhere"
    assert settings.bootstrap_api_key == plan.info.api_key
    assert settings.dataset_roots == (Path("/"),)
    assert plan.info.api_url == "http://127.0.0.1:8123"


def test_the_configured_key_is_used(tmp_path: Path) -> None:
    key = "k" * 24

    assert _plan(tmp_path, Settings(pools={"elsewhere": ("gpu:8001",)}, bootstrap_api_key=key)).info.api_key == key


def test_only_the_api_signs_with_the_key_of_the_state_directory(tmp_path: Path) -> None:
    plans = [_plan(tmp_path, settings) for settings in (_external(), Settings(site_key_file=tmp_path / "mine.pem"))]
    keys = [{part.name: part.env.get("SAMFLEET_SITE_KEY_FILE") for part in plan.parts} for plan in plans]
    assert keys[0] == {**dict.fromkeys(keys[0]), "api": str(tmp_path / "site" / "key.pem")}
    assert keys[1]["api"] == str(tmp_path / "mine.pem")


def test_each_process_serves_metrics_on_its_own_port(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _external(), api_port=8123)
    parts = {part.name: part for part in plan.parts}
    urls = metrics_urls(plan.ports)
    assert urls["api"] == "http://127.0.0.1:8123/metrics"
    served = [parts[name].env["SAMFLEET_METRICS_PORT"] for name in ("control", "worker-a100", "worker-l4")]
    assert len(set(served)) == 3
    assert [urls[name] for name in ("control", "worker-a100", "worker-l4")] == [
        f"http://127.0.0.1:{port}/metrics" for port in served
    ]
    assert "SAMFLEET_METRICS_PORT" not in parts["api"].env


def test_the_api_knows_the_weights_unless_an_external_triton_has_its_own(tmp_path: Path) -> None:
    elsewhere = {part.name: part for part in _plan(tmp_path / "elsewhere", _external()).parts}
    shared = Settings(pools={"a100": ("gpu1:8001",)}, weights_dir=tmp_path / "weights")
    shared_too = {part.name: part for part in _plan(tmp_path / "shared", shared).parts}

    assert "SAMFLEET_WEIGHTS_DIR" not in elsewhere["api"].env
    assert shared_too["api"].env["SAMFLEET_WEIGHTS_DIR"] == str(tmp_path / "weights")
