"""Versions of datasets over HTTP, with the task that lists them."""

from __future__ import annotations

import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Subquery, cast, literal, null, select, true
from sqlalchemy.orm import Session
from typer.testing import CliRunner

from fixtures.api.dataset_versions import code, created, refreshed, trust_times
from fixtures.api.running_api import Api, Tenant
from samfleet.datasets import folder_walk
from samfleet.datasets.service import InputLimits
from samfleet.datasets.version_changes import same_bytes
from samfleet.jobs.clean import CleanLimits, clean
from samfleet.jobs.listing import list_dataset
from samfleet_cli.main import app


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    trust_times(monkeypatch)


def test_a_refresh_makes_the_next_version_and_counts_what_changed(api: Api, tenant: Tenant, folder: Path) -> None:
    first = created(tenant, folder)
    assert (first["version"], first["series_id"], first["base_id"], first["changes"]) == (1, first["id"], None, None)
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").write_bytes(b"other bytes")
    for name in ("d.jpg", "e.jpg"):
        (folder / name).write_bytes(b"image")
    second = refreshed(api, tenant, first)
    assert (second["state"], second["version"], second["series_id"]) == ("sealed", 2, first["id"])
    assert (second["base_id"], second["labels"], second["image_count"]) == (first["id"], {"team": "shelves"}, 4)
    assert second["changes"] == {"new": 2, "changed": 1, "gone": 1, "unchanged": 1}
    third = refreshed(api, tenant, second)
    assert third["changes"] == {"new": 0, "changed": 0, "gone": 0, "unchanged": 4}
    assert tenant.http.get(f"/v1/datasets/{first['id']}").json() == first
    assert len(tenant.http.get(f"/v1/datasets/{first['id']}/images").json()["items"]) == 3
    for one in (first, second, third):
        page = tenant.http.get(f"/v1/datasets/{one['id']}/versions", params={"limit": 2}).json()
        rest = tenant.http.get(f"/v1/datasets/{one['id']}/versions", params={"cursor": page["next"]}).json()
        assert [found["version"] for found in page["items"] + rest["items"]] == [3, 2, 1]
        assert rest["next"] is None


def test_a_file_of_the_same_size_and_mtime_is_changed_by_its_ctime(api: Api, tenant: Tenant, folder: Path) -> None:
    first = created(tenant, folder)
    before = (folder / "a.jpg").stat()
    (folder / "a.jpg").write_bytes(b"IMAGE")
    os.utime(folder / "a.jpg", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert refreshed(api, tenant, first)["changes"] == {"new": 0, "changed": 1, "gone": 0, "unchanged": 2}


def test_a_file_that_was_just_written_counts_as_changed(
    api: Api, tenant: Tenant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_walk, "UNSETTLED_NS", 10**12)
    first = created(tenant, folder)
    assert refreshed(api, tenant, first)["changes"]["changed"] == 3


def test_a_version_of_two_at_once_and_of_an_older_version_are_refused(api: Api, tenant: Tenant, folder: Path) -> None:
    first = created(tenant, folder)
    with ThreadPoolExecutor(4) as pool:
        replies = [pool.submit(code_or_id, tenant, first) for _ in range(4)]
    answers = sorted((reply.result() for reply in replies), key=lambda one: one[0])
    assert [answer[0] for answer in answers] == [202, 409, 409, 409]
    assert {answer[1] for answer in answers[1:]} == {"dataset_version_pending"}
    list_dataset(api.engine, uuid.UUID(answers[0][1]), [api.root], InputLimits())
    assert code(tenant, first) == (409, "dataset_not_newest")
    assert code_or_id(tenant, {"id": answers[0][1]})[0] == 202


def code_or_id(tenant: Tenant, dataset: dict[str, Any]) -> tuple[int, str]:
    reply = tenant.http.post(f"/v1/datasets/{dataset['id']}/versions", json={"refresh": True})
    return reply.status_code, reply.json().get("code") or reply.json()["id"]


def test_a_failed_version_does_not_stop_the_next_one(api: Api, tenant: Tenant, folder: Path) -> None:
    first = created(tenant, folder)
    folder.rename(away := folder.with_name(f"{folder.name}-away"))
    failed = refreshed(api, tenant, first)
    assert (failed["state"], failed["error"]["code"], failed["changes"]) == ("failed", "directory_not_found", None)
    away.rename(folder)
    assert code(tenant, failed) == (409, "dataset_failed")
    third = refreshed(api, tenant, first)
    assert (third["version"], third["base_id"], third["changes"]["unchanged"]) == (3, first["id"], 3)


def test_versions_are_deleted_on_their_own(api: Api, tenant: Tenant, folder: Path) -> None:
    first = created(tenant, folder)
    second = refreshed(api, tenant, first)
    assert tenant.http.delete(f"/v1/datasets/{first['id']}").status_code == 204
    clean(api.engine, api.store, CleanLimits(timedelta(hours=1), timedelta(days=7), timedelta(hours=1)))
    assert code(tenant, first) == (404, "dataset_not_found")
    listed = tenant.http.get(f"/v1/datasets/{second['id']}/versions").json()["items"]
    assert [one["id"] for one in listed] == [second["id"]]
    assert len(tenant.http.get(f"/v1/datasets/{second['id']}/images").json()["items"]) == 3
    assert refreshed(api, tenant, second)["version"] == 3


def test_a_base_deleted_meanwhile_leaves_the_changes_unknown(api: Api, tenant: Tenant, folder: Path) -> None:
    first = created(tenant, folder)
    reply = tenant.http.post(f"/v1/datasets/{first['id']}/versions", json={"refresh": True}).json()
    assert tenant.http.delete(f"/v1/datasets/{first['id']}").status_code == 204
    list_dataset(api.engine, uuid.UUID(reply["id"]), [api.root], InputLimits())
    sealed = tenant.http.get(f"/v1/datasets/{reply['id']}").json()
    assert (sealed["state"], sealed["changes"]) == ("sealed", None)


def test_uploads_have_no_source(tenant: Tenant) -> None:
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()
    assert code(tenant, dataset) == (409, "dataset_not_sealed")
    tenant.http.post(f"/v1/datasets/{dataset['id']}/images", files={"files": ("a.png", b"x", "image/png")})
    tenant.http.post(f"/v1/datasets/{dataset['id']}/seal")
    assert code(tenant, dataset) == (409, "dataset_not_refreshable")


def test_a_manifest_is_read_again(api: Api, tenant: Tenant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_walk, "UNSETTLED_NS", 0)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (folder / name).write_bytes(b"image")
    manifest = folder / "list.csv"
    manifest.write_text("image\na.jpg\nb.jpg\nc.jpg\n")
    body = {"source": "manifest", "manifest": str(manifest)}
    first = tenant.http.post("/v1/datasets", json=body).json()
    assert code(tenant, first) == (409, "dataset_listing")
    list_dataset(api.engine, uuid.UUID(first["id"]), [api.root], InputLimits())
    (folder / "b.jpg").write_bytes(b"other")
    manifest.write_text('image,metadata\nd.jpg,\nb.jpg,\nc.jpg,"{""camera"": 1}"\n')
    second = refreshed(api, tenant, first)
    assert (second["version"], second["source"]) == (2, "manifest")
    assert second["changes"] == {"new": 1, "changed": 1, "gone": 1, "unchanged": 1}
    images = tenant.http.get(f"/v1/datasets/{second['id']}/images").json()["items"]
    assert [one["metadata"] for one in images] == [None, None, {"camera": 1}]


def test_an_uploaded_manifest_cannot_be_read_again(api: Api, tenant: Tenant) -> None:
    dataset = tenant.http.post("/v1/datasets", json={"source": "upload"}).json()
    content = b'{"image": "/nowhere/a.jpg"}'.replace(b"/nowhere", str(api.root).encode())
    sent = tenant.http.put(f"/v1/datasets/{dataset['id']}/manifest", params={"format": "jsonl"}, content=content)
    assert sent.status_code == 202
    list_dataset(api.engine, uuid.UUID(dataset["id"]), [api.root], InputLimits(), store=api.store)
    assert code(tenant, dataset) == (409, "dataset_not_refreshable")


@pytest.mark.parametrize(
    ("uri", "same"),
    [
        ("store:datasets/1/a.jpg", True),
        ("s3://default@photos/a.jpg#%221f%22", True),
        ("s3://default@photos/a.jpg#", False),  # did not exist when it was listed
        ("https://images.example.com/a.jpg", False),
        ("https://images.example.com/a.jpg#1f", True),
        ("file:///photos/a%23b.jpg", False),  # without times
    ],
)
def test_an_address_tells_whether_the_bytes_are_the_same(api: Api, uri: str, same: bool) -> None:
    one, other = _row(uri), _row(uri)
    with Session(api.engine) as session:
        assert session.scalar(select(same_bytes(one.c, other.c)).select_from(one).join(other, true())) is same


def _row(uri: str) -> Subquery:
    """Return a row of `dataset_images` that is in no table."""
    return select(
        literal(uri).label("uri"),
        literal(5).label("size_bytes"),
        cast(null(), BigInteger).label("modified_ns"),
        cast(null(), BigInteger).label("changed_ns"),
    ).subquery()


@pytest.mark.parametrize(
    "body", [{}, {"refresh": False}, {"refresh": True, "limit": 3}, {"refresh": True, "add": "uploads"}, {"add": "x"}]
)
def test_a_body_that_asks_for_nothing_or_too_much_is_refused(
    tenant: Tenant, folder: Path, body: dict[str, Any]
) -> None:
    first = created(tenant, folder)
    assert tenant.http.post(f"/v1/datasets/{first['id']}/versions", json=body).status_code == 422


def test_the_command_lists_versions(api: Api, tenant: Tenant, folder: Path) -> None:
    second = refreshed(api, tenant, first := created(tenant, folder))
    words = ["datasets", "versions", second["id"], "--plain", "--api-url", api.url, "--api-key", tenant.key]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines == [
        ["2", second["id"], "sealed", "3", "0", "0", "0", "3"],
        ["1", first["id"], "sealed", "3", *[""] * 4],
    ]
