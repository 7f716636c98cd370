"""`samfleet exports` against the API, with the shipped builder in place of a worker."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import new_job
from samfleet.client.client import SamfleetClient
from samfleet.client.downloads import DownloadDamaged
from samfleet.client.wait import ExportNotBuilt, wait_for_export
from samfleet.exports.build import build_export
from samfleet_cli.main import app


def run(api: Api, tenant: Tenant, *words: str) -> str:
    options = ["--api-url", api.url, "--api-key", tenant.key]
    result = CliRunner().invoke(app, ["exports", *words, *options], env={"COLUMNS": "200"})
    if result.exception is not None:
        raise result.exception
    return result.stdout


def build(api: Api, export_id: str) -> None:
    build_export(api.engine, api.store, uuid.UUID(export_id), 1000)


@pytest.fixture
def run_id(run_path: str) -> str:
    return run_path.rpartition("/")[2]


@pytest.fixture
def export(api: Api, tenant: Tenant, run_id: str) -> dict[str, Any]:
    """A completed export."""
    created: dict[str, Any] = json.loads(run(api, tenant, "create", run_id, "instances", "--json"))
    build(api, created["id"])
    with SamfleetClient(api.url, tenant.key) as client:
        return client.export(created["id"])


def test_exports_are_managed(api: Api, tenant: Tenant, run_id: str, tmp_path: Path) -> None:
    assert [line.split("\t")[0] for line in run(api, tenant, "formats", "--plain").splitlines()][:2] == [
        "coco",
        "coco_pair",
    ]
    options = ("--min-area", "5", "--min-score", "0.5", "--category-name", "fish", "--one-class", "--keep-days", "3")
    created = json.loads(run(api, tenant, "create", run_id[:8], "instances", *options, "--json"))
    assert created["options"] == {
        "tolerance": 1.0,
        "min_area": 5,
        "min_score": 0.5,
        "category_name": "fish",
        "one_class": True,
        "reviewed": "all",
    }
    assert created["keep_days"] == 3
    assert "queued" in run(api, tenant, "list", run_id)
    build(api, created["id"])
    out = tmp_path / "folder" / "fish.json"
    assert run(api, tenant, "download", created["id"][:8], "--out", str(out)) == f"{out}\n"
    assert json.loads(out.read_text())["categories"] == [{"id": 1, "name": "fish"}]
    again = tmp_path / "again.json"
    run(api, tenant, "create", run_id, "instances", *options, "--out", str(again))
    assert again.read_bytes() == out.read_bytes()
    assert [path.name for path in out.parent.iterdir()] == ["fish.json"]
    run(api, tenant, "delete", created["id"][:8], "--yes")
    assert json.loads(run(api, tenant, "list", run_id, "--json")) == []


@pytest.mark.parametrize("held", [0, 1, 100, None])
def test_an_interrupted_download_continues(
    api: Api, tenant: Tenant, export: dict[str, Any], tmp_path: Path, held: int | None
) -> None:
    with SamfleetClient(api.url, tenant.key) as client:
        client.download_export(export, whole := tmp_path / "whole.json")
        contents = whole.read_bytes()
        partial = tmp_path / f".part.json.{export['sha256'][:12]}.partial"
        partial.write_bytes(contents[:held])
        client.download_export(export, part := tmp_path / "part.json")
    assert part.read_bytes() == contents
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.json", "whole.json"]


@pytest.mark.parametrize("damage", [b"x", b"x" * 1_000_000], ids=["shorter", "longer"])
def test_a_damaged_download_is_refused_or_begun_again(
    api: Api, tenant: Tenant, export: dict[str, Any], tmp_path: Path, damage: bytes
) -> None:
    path = tmp_path / "file.json"
    partial = tmp_path / f".file.json.{export['sha256'][:12]}.partial"
    partial.write_bytes(damage)
    with SamfleetClient(api.url, tenant.key) as client:
        if len(damage) < export["bytes"]:
            with pytest.raises(DownloadDamaged):
                client.download_export(export, path)
            assert list(tmp_path.iterdir()) == []
        client.download_export(export, path)
    assert path.stat().st_size == export["bytes"]


def test_a_failed_export_is_an_error_with_its_reason(api: Api, tenant: Tenant, run_id: str) -> None:
    created = json.loads(run(api, tenant, "create", run_id, "coco", "--json"))
    api.store.delete_prefix(f"runs/{run_id}/parts/")
    build(api, created["id"])
    with pytest.raises(ExportNotBuilt, match="object_not_found"):
        run(api, tenant, "download", created["id"])


def test_waiting_asks_less_and_less_often(api: Api, tenant: Tenant, run_id: str) -> None:
    waits: list[float] = []
    created = json.loads(run(api, tenant, "create", run_id, "jsonl", "--json"))

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 7:
            build(api, created["id"])

    with SamfleetClient(api.url, tenant.key) as client:
        assert wait_for_export(client, created, sleep=sleep)["state"] == "completed"
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_job_names_its_exports(api: Api, tenant: Tenant, folder: Path) -> None:
    first = new_job(tenant, folder)

    def jobs(*words: str) -> dict[str, Any]:
        options = ["--json", "--api-url", api.url, "--api-key", tenant.key]
        result = CliRunner().invoke(app, ["jobs", *words, *options])
        assert result.exit_code == 0, result.output
        job: dict[str, Any] = json.loads(result.stdout)
        return job

    wanted = ("--export", "yolo", "--export", '{"format": "coco", "options": {"min_area": 5}}')
    job = jobs("submit", first["dataset_id"][:8], "--variant", "mobile_sam", "--name", "mine", *wanted)
    assert [(one["format"], one["options"]["min_area"]) for one in job["exports"]] == [("yolo", 0), ("coco", 5)]
    assert (job["name"], job["task"]) == ("mine", {"kind": "everything"})
    task = '{"kind": "everything", "points_per_side": 4}'
    again = jobs("submit", first["dataset_id"], "--variant", "mobile_sam", "--task", task)
    assert (again["task"]["points_per_side"], again["exports"]) == (4, [])
    assert jobs("rerun", job["id"])["exports"] == job["exports"]
    assert [one["format"] for one in jobs("rerun", job["id"], "--export", "png")["exports"]] == ["png"]
    wrong = CliRunner().invoke(app, ["jobs", "rerun", job["id"], "--export", '{"format"'])
    assert wrong.exit_code == 2


def test_the_size_of_an_export_is_printed_before_it_is_built(api: Api, tenant: Tenant, run_id: str) -> None:
    size = int(run(api, tenant, "estimate", run_id, "instances").removesuffix(" bytes\n"))
    created = json.loads(run(api, tenant, "create", run_id, "instances", "--json"))
    build(api, created["id"])
    with SamfleetClient(api.url, tenant.key) as client:
        assert client.export(created["id"])["bytes"] == size
    smaller = json.loads(run(api, tenant, "estimate", run_id, "instances", "--min-area", "1000000", "--json"))
    assert smaller["exact"]
    assert smaller["bytes"] < size
    assert run(api, tenant, "estimate", run_id, "overlays").startswith("unknown: ")
