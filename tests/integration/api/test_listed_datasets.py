"""Datasets of large folders, which a task lists."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from fixtures.api.running_api import Api, Tenant
from samfleet.datasets import listing
from samfleet.datasets.service import InputLimits
from samfleet.jobs.listing import list_dataset


@pytest.fixture(autouse=True)
def two_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two images in the folder, more than are listed at once."""
    monkeypatch.setattr(listing, "ENTRIES_AT_ONCE", 1)
    for name in ("b.jpg", "a.jpg"):
        (folder / name).write_bytes(b"image")


def test_a_large_directory_is_listed_by_a_task(api: Api, tenant: Tenant, folder: Path) -> None:
    api.queue.sent.clear()
    answer = tenant.http.post("/v1/datasets", json={"source": "directory", "directory": str(folder)})
    dataset = answer.json()
    assert (answer.status_code, dataset["state"], dataset["image_count"]) == (202, "listing", 0)
    assert (dataset["sealed_at"], dataset["error"]) == (None, None)
    assert [(task.task, task.args) for task in api.queue.sent] == [("datasets.list", (dataset["id"],))]
    place = answer.headers["Location"]
    job = {"dataset_id": dataset["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    for refused in (tenant.http.post("/v1/jobs", json=job), tenant.http.post(f"{place}/seal")):
        assert (refused.status_code, refused.json()["code"]) == (409, "dataset_listing")
        assert "0 entries so far" in refused.json()["detail"]
    list_dataset(api.engine, uuid.UUID(dataset["id"]), [api.root], InputLimits())
    sealed = tenant.http.get(place).json()
    assert (sealed["state"], sealed["image_count"], sealed["error"]) == ("sealed", 2, None)
    assert [one["file_name"] for one in tenant.http.get(f"{place}/images").json()["items"]] == ["a.jpg", "b.jpg"]


def test_a_directory_that_a_task_could_not_list_says_why(api: Api, tenant: Tenant, folder: Path) -> None:
    body = {"source": "directory", "directory": str(folder), "annotations_path": str(folder / "missing.json")}
    place = tenant.http.post("/v1/datasets", json=body).headers["Location"]
    list_dataset(api.engine, uuid.UUID(place.rpartition("/")[2]), [api.root], InputLimits())
    failed = tenant.http.get(place).json()
    assert (failed["state"], failed["image_count"]) == ("failed", 0)
    assert failed["error"]["code"] == "annotations_not_found"
    assert "missing.json" in failed["error"]["message"]
    job = {"dataset_id": failed["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    refused = tenant.http.post("/v1/jobs", json=job)
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_failed")
    assert "missing.json" in refused.json()["detail"]
    assert tenant.http.delete(place).status_code == 204
