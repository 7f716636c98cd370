"""Annotations, detections and prompts of datasets, by the API."""

from __future__ import annotations

from pathlib import Path

from fixtures.api.dataset_requests import new_upload, put_images, upload
from fixtures.api.running_api import MAX_ANNOTATIONS_BYTES, Tenant


def test_annotations_are_limited_and_checked_on_arrival(tenant: Tenant) -> None:
    path = f"{new_upload(tenant)}/annotations"
    large = tenant.http.put(path, content=b" " * (MAX_ANNOTATIONS_BYTES + 1))
    assert (large.status_code, large.json()["code"]) == (413, "annotations_too_large")
    wrong = tenant.http.put(path, content=b'{"images": [], "annotations": [{}]}')
    assert (wrong.status_code, wrong.json()["code"]) == (422, "annotations_invalid")
    assert "annotations[0]" in wrong.json()["detail"]


def test_detections_are_limited_and_checked(tenant: Tenant) -> None:
    dataset = new_upload(tenant)
    path = f"{dataset}/detections"
    large = tenant.http.put(path, content=b" " * (MAX_ANNOTATIONS_BYTES + 1))
    assert (large.status_code, large.json()["code"]) == (413, "detections_too_large")
    wrong = tenant.http.put(path, content=b'[{"image_id": 1}]')
    assert (wrong.status_code, wrong.json()["code"]) == (422, "detections_invalid")
    assert "detections[0]" in wrong.json()["detail"]
    good = b'[{"image_id": 2, "category_id": 1, "bbox": [1, 1, 4, 4], "score": 0.5}]'
    assert tenant.http.put(path, content=good).json()["detection_count"] == 1
    upload(tenant, dataset, **{"a.jpg": b"a"})
    unknown = tenant.http.post(f"{dataset}/seal")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "detections_invalid")
    upload(tenant, dataset, **{"b.jpg": b"b"})
    assert tenant.http.post(f"{dataset}/seal").json()["detection_count"] == 1


def test_a_directory_may_come_with_detections(tenant: Tenant, folder: Path) -> None:
    put_images(folder, "a.jpg", "b.jpg")
    found = folder / "detections.json"
    found.write_text('[{"image_id": 2, "category_id": 1, "bbox": [1, 1, 4, 4], "score": 0.5}]')
    body = {"source": "directory", "directory": str(folder), "detections_path": str(found)}
    assert tenant.http.post("/v1/datasets", json=body).json()["detection_count"] == 1


def test_prompts_are_limited_and_checked(tenant: Tenant) -> None:
    dataset = new_upload(tenant)
    path = f"{dataset}/prompts"
    large = tenant.http.put(path, content=b" " * (MAX_ANNOTATIONS_BYTES + 1))
    assert (large.status_code, large.json()["code"]) == (413, "prompts_too_large")
    wrong = tenant.http.put(path, content=b'{"image_id": 1, "objects": [{"id": 1}]}')
    assert (wrong.status_code, wrong.json()["code"]) == (422, "prompts_invalid")
    assert "line 1, objects[0], object '1'" in wrong.json()["detail"]
    good = b'{"image_id": 2, "objects": [{"id": 1, "category": "cat", "box": [1, 1, 4, 4]}]}'
    assert tenant.http.put(path, content=good).json()["prompt_count"] == 1
    upload(tenant, dataset, **{"a.jpg": b"a"})
    unknown = tenant.http.post(f"{dataset}/seal")
    assert (unknown.status_code, unknown.json()["code"]) == (422, "prompts_invalid")
    upload(tenant, dataset, **{"b.jpg": b"b"})
    sealed = tenant.http.post(f"{dataset}/seal").json()
    assert (sealed["prompt_count"], sealed["prompted_image_count"]) == (1, 1)
    assert tenant.http.get(f"{dataset}/categories").json() == {"items": [{"id": 1, "name": "cat"}]}


def test_a_directory_may_come_with_prompts(tenant: Tenant, folder: Path) -> None:
    put_images(folder, "a.jpg", "b.jpg")
    found = folder / "prompts.jsonl"
    found.write_text('{"file_name": "b.jpg", "objects": [{"id": 1, "points": [[1, 1]]}]}')
    body = {"source": "directory", "directory": str(folder), "prompts_path": str(found)}
    assert tenant.http.post("/v1/datasets", json=body).json()["prompt_count"] == 1
