"""Versions of datasets to which files are uploaded."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fixtures.api.dataset_versions import code, created, trust_times
from fixtures.api.running_api import Api, Tenant
from samfleet.jobs.clean import CleanLimits, clean
from samfleet_cli.main import app


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    trust_times(monkeypatch)


def opened(tenant: Tenant, dataset: dict[str, Any]) -> dict[str, Any]:
    reply = tenant.http.post(f"/v1/datasets/{dataset['id']}/versions", json={"add": "uploads"})
    assert (reply.status_code, reply.json()["state"], reply.json()["source"]) == (201, "open", "upload"), reply.text
    version: dict[str, Any] = reply.json()
    return version


def extended(tenant: Tenant, dataset: dict[str, Any], **files: bytes) -> dict[str, Any]:
    version = opened(tenant, dataset)
    for name, content in files.items():
        sent = {"files": (f"{name}.jpg", content, "image/jpeg")}
        assert tenant.http.post(f"/v1/datasets/{version['id']}/images", files=sent).status_code == 201
    sealed: dict[str, Any] = tenant.http.post(f"/v1/datasets/{version['id']}/seal").json()
    return sealed


def uploaded(tenant: Tenant, **files: bytes) -> dict[str, Any]:
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()
    for name, content in files.items():
        sent = {"files": (f"{name}.jpg", content, "image/jpeg")}
        tenant.http.post(f"/v1/datasets/{dataset['id']}/images", files=sent)
    sealed: dict[str, Any] = tenant.http.post(f"/v1/datasets/{dataset['id']}/seal").json()
    return sealed


def names(tenant: Tenant, dataset: dict[str, Any]) -> list[tuple[int, int, str]]:
    images = tenant.http.get(f"/v1/datasets/{dataset['id']}/images").json()["items"]
    return [(image["position"], image["image_id"], image["file_name"]) for image in images]


def objects(api: Api, tenant: Tenant) -> int:
    return len(list(api.store.list(f"contents/{tenant.id}/")))


def test_uploads_extend_a_folder(api: Api, tenant: Tenant, folder: Path) -> None:
    second = extended(tenant, created(tenant, folder), aa=b"new", b=b"other")
    assert (second["state"], second["version"], second["image_count"]) == ("sealed", 2, 4)
    assert second["changes"] == {"new": 1, "changed": 1, "gone": 0, "unchanged": 2}
    assert names(tenant, second) == [(0, 1, "a.jpg"), (1, 2, "aa.jpg"), (2, 3, "b.jpg"), (3, 4, "c.jpg")]
    assert objects(api, tenant) == 2
    assert code(tenant, second) == (409, "dataset_not_refreshable")


def test_shared_uploads_outlive_their_version(api: Api, tenant: Tenant) -> None:
    first = uploaded(tenant, a=b"one", b=b"two")
    second = extended(tenant, first, c=b"three")
    third = extended(tenant, second, d=b"four")
    assert third["changes"] == {"new": 1, "changed": 0, "gone": 0, "unchanged": 3}
    limits = CleanLimits(timedelta(0), timedelta(days=7), timedelta(0))
    for version in (first, second):
        assert tenant.http.delete(f"/v1/datasets/{version['id']}").status_code == 204
    for _ in range(3):
        clean(api.engine, api.store, limits)
    assert objects(api, tenant) == 4
    assert len(names(tenant, third)) == 4
    assert tenant.http.delete(f"/v1/datasets/{third['id']}").status_code == 204
    for _ in range(3):
        clean(api.engine, api.store, limits)
    assert objects(api, tenant) == 0


def test_an_open_version_holds_its_base_and_is_the_only_one(tenant: Tenant) -> None:
    first = uploaded(tenant, a=b"one")
    version = opened(tenant, first)
    refused = tenant.http.delete(f"/v1/datasets/{first['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    again = tenant.http.post(f"/v1/datasets/{first['id']}/versions", json={"add": "uploads"})
    assert (again.status_code, again.json()["code"]) == (409, "dataset_version_pending")
    empty = tenant.http.post(f"/v1/datasets/{version['id']}/seal")
    assert (empty.status_code, empty.json()["code"]) == (422, "dataset_empty")
    assert tenant.http.delete(f"/v1/datasets/{version['id']}").status_code == 204
    assert tenant.http.delete(f"/v1/datasets/{first['id']}").status_code == 204


def test_the_command_extends_a_dataset(api: Api, tenant: Tenant, tmp_path: Path) -> None:
    first = uploaded(tenant, a=b"one")
    (tmp_path / "more").mkdir()
    for path in (tmp_path / "more" / "b.jpg", tmp_path / "c.jpg"):
        path.write_bytes(b"image")
    words = ["datasets", "extend", first["id"], str(tmp_path / "more"), str(tmp_path / "c.jpg")]
    result = CliRunner().invoke(app, [*words, "--api-url", api.url, "--api-key", tenant.key])
    assert result.exit_code == 0, result.output
    newest = tenant.http.get(f"/v1/datasets/{first['id']}/versions").json()["items"][0]
    assert (newest["state"], newest["version"]) == ("sealed", 2)
    assert [name for _, _, name in names(tenant, newest)] == ["a.jpg", "b.jpg", "c.jpg"]
    twice = [str(tmp_path / "c.jpg"), str(tmp_path / "c.jpg")]
    failed = CliRunner().invoke(
        app, ["datasets", "extend", newest["id"], *twice, "--api-url", api.url, "--api-key", tenant.key]
    )
    assert failed.exit_code != 0
    assert len(tenant.http.get(f"/v1/datasets/{first['id']}/versions").json()["items"]) == 2


def test_the_command_adds_prompts_to_a_sealed_dataset(api: Api, tenant: Tenant, tmp_path: Path) -> None:
    place = tenant.http.post("/v1/datasets", json={"source": "upload", "name": "shelves"}).headers["Location"]
    files = [("files", (name, b"image")) for name in ("b.jpg", "a.jpg")]
    tenant.http.post(f"{place}/images", files=files).raise_for_status()
    annotations = {
        "images": [{"id": 70, "file_name": "b.jpg"}],
        "annotations": [{"id": 1, "image_id": 70, "category_id": 5, "segmentation": [[0, 0, 4, 0, 4, 3]]}],
        "categories": [{"id": 5, "name": "jar"}],
    }
    tenant.http.put(f"{place}/annotations", json=annotations).raise_for_status()
    first = tenant.http.post(f"{place}/seal").json()
    prompts = tmp_path / "prompts.jsonl"
    words = ["datasets", "prompt", first["id"], str(prompts), "--api-url", api.url, "--api-key", tenant.key]
    prompts.write_text('{"image_id": 7, "objects": [{"id": 1, "box": [0, 0, 2, 2]}]}')
    assert CliRunner().invoke(app, words).exit_code != 0
    prompts.write_text('{"image_id": 70, "objects": [{"id": 1, "category": "jar", "box": [0, 0, 2, 2]}]}')
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    (newest, _) = tenant.http.get(f"{place}/versions").json()["items"]
    assert (newest["state"], newest["prompt_count"], newest["prompted_image_count"]) == ("sealed", 1, 1)
    assert newest["changes"] == {"new": 0, "changed": 0, "gone": 0, "unchanged": 2}
    same = ("image_count", "annotation_count", "annotated_image_count", "unused_annotation_count", "detection_count")
    assert [newest[name] for name in same] == [first[name] for name in same]
    assert names(tenant, newest) == names(tenant, first)
    categories = [tenant.http.get(f"/v1/datasets/{one['id']}/categories").json() for one in (first, newest)]
    assert categories[0] == categories[1]
