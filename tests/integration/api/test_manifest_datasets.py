"""Datasets of manifests, by the API."""

from __future__ import annotations

import uuid
from pathlib import Path

import httpx
import pytest

from fixtures.api.running_api import MAX_ANNOTATIONS_BYTES, Api, Tenant
from samfleet.datasets.service import InputLimits
from samfleet.jobs.listing import list_dataset


def create(tenant: Tenant, **body: object) -> httpx.Response:
    return tenant.http.post("/v1/datasets", json={"source": "manifest", **body})


def work(api: Api, dataset_id: str) -> None:
    list_dataset(
        api.engine, uuid.UUID(dataset_id), (api.root,), InputLimits(), api.app.state.s3, api.app.state.urls, api.store
    )


def test_a_manifest_is_listed_by_a_task(api: Api, tenant: Tenant, folder: Path) -> None:
    (folder / "shelves.csv").write_text("image,id\nb.png,two\na.png,one\n")
    api.queue.sent.clear()
    answer = create(tenant, manifest=str(folder / "shelves.csv"), labels={"team": "shelves"}, notes="a list")
    dataset = answer.json()
    described = (dataset["state"], dataset["source"], dataset["name"], dataset["labels"], dataset["notes"])
    assert answer.status_code == 202
    assert described == ("listing", "manifest", "shelves", {"team": "shelves"}, "a list")
    assert [(task.task, task.args) for task in api.queue.sent] == [("datasets.list", (dataset["id"],))]
    work(api, dataset["id"])
    place = answer.headers["Location"]
    sealed = tenant.http.get(place).json()
    assert (sealed["state"], sealed["image_count"], sealed["error"]) == ("sealed", 2, None)
    shown = tenant.http.get(f"{place}/images").json()["items"]
    found = [(one["file_name"], one["external_id"], one["image_id"]) for one in shown]
    assert found == [("b.png", "two", 1), ("a.png", "one", 2)]


def test_a_manifest_with_a_fault_fails_with_its_line(api: Api, tenant: Tenant, folder: Path) -> None:
    (folder / "list").write_text('{"image": "a.png"}\n{"image": "a.png"}\n')
    place = create(tenant, manifest=str(folder / "list"), format="jsonl", limit=5).headers["Location"]
    work(api, place.rpartition("/")[2])
    failed = tenant.http.get(place).json()
    assert (failed["state"], failed["image_count"]) == ("failed", 0)
    assert failed["error"]["code"] == "manifest_duplicate"
    assert failed["error"]["message"].startswith("lines 1 and 2: both have the file name 'a.png'")
    assert tenant.http.delete(place).status_code == 204


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"manifest": "/etc/list.csv"}, 403, "directory_not_allowed"),
        ({"manifest": "list.csv"}, 422, "directory_not_found"),
        ({"manifest": "s3://secrets/list.csv"}, 403, "bucket_not_allowed"),
        ({"manifest": "s3://secrets/"}, 422, "s3_url_invalid"),
        ({"prompts_path": "/etc/prompts.jsonl"}, 403, "directory_not_allowed"),
        ({"prompts_path": "s3://secrets/prompts.jsonl"}, 403, "bucket_not_allowed"),
        ({"format": "xml"}, 422, "payload_invalid"),
        ({"limit": 0}, 422, "payload_invalid"),
        ({"manifest": ""}, 422, "payload_invalid"),
    ],
)
def test_other_requests_are_refused(
    tenant: Tenant, folder: Path, fields: dict[str, object], status: int, code: str
) -> None:
    answer = create(tenant, **{"manifest": str(folder / "list.csv"), **fields})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert tenant.http.get("/v1/datasets").json()["items"] == []


def test_a_format_must_be_known(tenant: Tenant, folder: Path) -> None:
    answer = create(tenant, manifest=str(folder / "list.txt"))
    assert (answer.status_code, answer.json()["code"]) == (422, "manifest_format_unknown")


def open_dataset(tenant: Tenant) -> str:
    return str(tenant.http.post("/v1/datasets", json={"source": "upload", "name": "mine"}).headers["Location"])


def put(tenant: Tenant, place: str, data: bytes, **params: object) -> httpx.Response:
    return tenant.http.put(f"{place}/manifest", content=data, params={"format": "jsonl", **params})  # type: ignore[dict-item]


def test_an_uploaded_manifest_fills_an_open_dataset(api: Api, tenant: Tenant, folder: Path) -> None:
    place, data = open_dataset(tenant), b'{"image": "b.png", "id": 2}\n{"image": "a.png"}\n'
    api.queue.sent.clear()
    answer = put(tenant, place, data, base=str(folder), limit=1)
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["source"], answer.json()["name"]) == ("listing", "manifest", "mine")
    dataset_id = answer.json()["id"]
    assert [(task.task, task.args) for task in api.queue.sent] == [("datasets.list", (dataset_id,))]
    again = put(tenant, place, data)
    assert (again.status_code, again.json()["code"]) == (409, "dataset_listing")
    work(api, dataset_id)
    sealed = tenant.http.get(place).json()
    assert (sealed["state"], sealed["image_count"], sealed["error"]) == ("sealed", 1, None)
    (image,) = tenant.http.get(f"{place}/images").json()["items"]
    assert (image["file_name"], image["external_id"]) == ("b.png", "2")
    assert put(tenant, place, data).json()["code"] == "dataset_sealed"
    stored = [one.key for one in api.store.list(f"datasets/{dataset_id}/")]
    assert len(stored) == 1  # the manifest
    assert tenant.http.delete(place).status_code == 204


def test_relative_paths_of_an_upload_need_a_base(api: Api, tenant: Tenant) -> None:
    place = open_dataset(tenant)
    put(tenant, place, b'{"image": "/etc/a.png"}', base="/etc")
    other = open_dataset(tenant)
    put(tenant, other, b'{"image": "a.png"}')
    for one in (place, other):
        work(api, one.rpartition("/")[2])
    errors = [tenant.http.get(one).json()["error"] for one in (place, other)]
    assert [error["code"] for error in errors] == ["directory_not_allowed", "manifest_invalid"]
    assert errors[1]["message"].startswith("line 1: 'a.png' is a relative path, but the manifest was uploaded without")


def test_a_dataset_with_images_takes_no_manifest(tenant: Tenant) -> None:
    place = open_dataset(tenant)
    tenant.http.post(f"{place}/images", files={"files": ("a.png", b"x")}).raise_for_status()
    answer = put(tenant, place, b'{"image": "/data/a.png"}')
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_not_empty")


def test_prompts_of_a_manifest_are_named_or_uploaded_before(api: Api, tenant: Tenant, folder: Path) -> None:
    prompts = b'{"file_name": "a.png", "objects": [{"id": 1, "box": [0, 0, 2, 2]}]}'
    (folder / "prompts.jsonl").write_bytes(prompts)
    (folder / "list.csv").write_text("image\na.png\n")
    place = create(tenant, manifest=str(folder / "list.csv"), prompts_path=str(folder / "prompts.jsonl")).headers[
        "Location"
    ]
    other = open_dataset(tenant)
    tenant.http.put(f"{other}/prompts", content=prompts).raise_for_status()
    assert put(tenant, other, b'{"image": "a.png"}', base=str(folder)).status_code == 202
    for one in (place, other):
        work(api, one.rpartition("/")[2])
        sealed = tenant.http.get(one).json()
        assert (sealed["state"], sealed["prompt_count"], sealed["prompted_image_count"]) == ("sealed", 1, 1)


def test_a_version_open_for_uploads_takes_no_manifest(tenant: Tenant) -> None:
    base = open_dataset(tenant)
    tenant.http.post(f"{base}/images", files={"files": ("a.png", b"x")}).raise_for_status()
    tenant.http.post(f"{base}/seal").raise_for_status()
    version = tenant.http.post(f"{base}/versions", json={"add": "uploads"}).headers["Location"]
    answer = put(tenant, version, b'{"image": "/data/a.png"}')
    assert (answer.status_code, answer.json()["code"]) == (409, "dataset_not_empty")
    assert "is a version" in answer.json()["detail"]


def test_an_upload_is_bounded_and_needs_a_format(tenant: Tenant) -> None:
    place = open_dataset(tenant)
    answer = put(tenant, place, b"x" * (MAX_ANNOTATIONS_BYTES + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "manifest_too_large")
    assert tenant.http.put(f"{place}/manifest", content=b"x").json()["code"] == "payload_invalid"
    assert tenant.http.get(place).json()["state"] == "open"
