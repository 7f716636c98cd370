"""Datasets of archives, by the API."""

from __future__ import annotations

import io
import uuid
import zipfile
from pathlib import Path

import httpx
import pytest

from fixtures.api.running_api import Api, Tenant
from samfleet.datasets.service import InputLimits
from samfleet.jobs.listing import list_dataset


def zipped(*names: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, name)
    return data.getvalue()


def create(tenant: Tenant, **body: object) -> httpx.Response:
    return tenant.http.post("/v1/datasets", json={"source": "archive", **body})


def work(api: Api, dataset_id: str) -> None:
    sources = (api.app.state.s3, api.app.state.urls, api.store)
    list_dataset(api.engine, uuid.UUID(dataset_id), (api.root,), InputLimits(), *sources)


def keys(api: Api, dataset_id: str) -> list[str]:
    return [one.key.split("/")[2] for one in api.store.list(f"datasets/{dataset_id}/")]


def test_an_archive_is_unpacked_by_a_task(api: Api, tenant: Tenant, folder: Path) -> None:
    (folder / "shelves.zip").write_bytes(zipped("b.png", "a.png", ".c.png"))
    api.queue.sent.clear()
    answer = create(tenant, archive=str(folder / "shelves.zip"), labels={"team": "shelves"}, notes="packed")
    dataset = answer.json()
    assert (answer.status_code, dataset["state"], dataset["source"]) == (202, "listing", "archive")
    assert (dataset["name"], dataset["labels"], dataset["notes"]) == ("shelves", {"team": "shelves"}, "packed")
    assert [(task.task, task.args) for task in api.queue.sent] == [("datasets.list", (dataset["id"],))]
    work(api, dataset["id"])
    place = answer.headers["Location"]
    sealed = tenant.http.get(place).json()
    assert (sealed["state"], sealed["image_count"], sealed["error"]) == ("sealed", 2, None)
    assert [(one["reason"], one["count"]) for one in sealed["left_out"]] == [("hidden", 1)]
    shown = tenant.http.get(f"{place}/images").json()["items"]
    assert [(one["file_name"], one["image_id"], one["size_bytes"]) for one in shown] == [
        ("b.png", 1, 5),
        ("a.png", 2, 5),
    ]
    assert keys(api, dataset["id"]) == ["images", "images"]


def test_an_uploaded_archive_fills_an_open_dataset(api: Api, tenant: Tenant) -> None:
    place = str(tenant.http.post("/v1/datasets", json={"source": "upload"}).headers["Location"])
    data, route = zipped("b.png", ".a.png"), f"{place}/archive"
    answer = tenant.http.put(route, content=data, params={"format": "zip", "include_hidden": True, "limit": 5})
    dataset = answer.json()
    assert (answer.status_code, dataset["state"], dataset["source"]) == (202, "listing", "archive")
    assert tenant.http.put(route, content=data, params={"format": "zip"}).json()["code"] == "dataset_listing"
    assert keys(api, dataset["id"]) == ["archives"]
    work(api, dataset["id"])
    sealed = tenant.http.get(place).json()
    assert (sealed["state"], sealed["image_count"], sealed["error"]) == ("sealed", 2, None)


def test_a_refused_archive_says_why(api: Api, tenant: Tenant, folder: Path) -> None:
    (folder / "a.zip").write_bytes(zipped("b.png", "../a.png"))
    place = create(tenant, archive=str(folder / "a.zip")).headers["Location"]
    dataset_id = place.rpartition("/")[2]
    work(api, dataset_id)
    failed = tenant.http.get(place).json()
    assert (failed["state"], failed["error"]["code"]) == ("failed", "archive_name_forbidden")
    assert keys(api, dataset_id) == []
    assert tenant.http.delete(place).status_code == 204


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"archive": "/etc/a.zip"}, 403, "directory_not_allowed"),
        ({"archive": "a.zip"}, 422, "directory_not_found"),
        ({"archive": "s3://secrets/a.zip"}, 403, "bucket_not_allowed"),
        ({"format": "rar"}, 422, "payload_invalid"),
        ({"limit": 0}, 422, "payload_invalid"),
    ],
)
def test_other_requests_are_refused(
    tenant: Tenant, folder: Path, fields: dict[str, object], status: int, code: str
) -> None:
    answer = create(tenant, **{"archive": str(folder / "a.zip"), **fields})
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert create(tenant, archive=str(folder / "a.rar")).json()["code"] == "archive_format_unknown"
