from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.api.dataset_requests import coco, new_upload, put_images, upload
from fixtures.api.running_api import MAX_ANNOTATIONS_BYTES, MAX_IMAGE_BYTES, Api, Tenant


def test_a_dataset_is_created_from_a_directory(tenant: Tenant, folder: Path) -> None:
    put_images(folder, "b.jpg", "sub/a.png")
    (folder / "instances.json").write_bytes(coco({"sub/a.png": 9}))
    body = {"source": "directory", "directory": str(folder), "annotations_path": str(folder / "instances.json")}
    answer = tenant.http.post("/v1/datasets", json=body)
    dataset = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/datasets/{dataset['id']}"
    assert (dataset["name"], dataset["source"], dataset["state"]) == (folder.name, "directory", "sealed")
    assert (dataset["image_count"], dataset["annotation_count"]) == (2, 1)
    assert dataset["sealed_at"]
    assert tenant.http.get(answer.headers["Location"]).json() == dataset
    images = tenant.http.get(f"/v1/datasets/{dataset['id']}/images").json()
    assert images["next"] is None
    assert [(image["position"], image["image_id"], image["file_name"]) for image in images["items"]] == [
        (0, 10, "b.jpg"),
        (1, 9, "sub/a.png"),
    ]


def test_a_dataset_and_its_jobs_count_used_and_unused_annotations(tenant: Tenant, folder: Path) -> None:
    put_images(folder, "a.jpg", "b.jpg")
    (folder / "instances.json").write_bytes(coco({"images\\b.jpg": 9, "gone.jpg": 10}))
    body = {"source": "directory", "directory": str(folder), "annotations_path": str(folder / "instances.json")}
    dataset = tenant.http.post("/v1/datasets", json=body).json()
    assert (dataset["annotated_image_count"], dataset["annotation_count"]) == (1, 1)
    assert (dataset["unused_annotation_count"], dataset["box_annotation_count"]) == (1, 0)
    job = {"dataset_id": dataset["id"], "variants": ["mobile_sam"], "task": {"kind": "everything"}}
    counted = {"images": 2, "annotated_images": 1, "annotations": 1, "unused": 1, "boxes": 0}
    assert tenant.http.post("/v1/jobs", json=job).json()["annotations"] == counted
    answer = tenant.http.post("/v1/datasets", json={**body, "strict_annotations": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "annotations_unmatched")
    assert "1 of 2 images annotated, 1 of 2 annotations unused" in answer.json()["detail"]


def test_strict_annotations_of_an_upload_are_checked_when_it_is_sealed(tenant: Tenant) -> None:
    path = new_upload(tenant)
    upload(tenant, path, **{"b.jpg": b"bb"})
    tenant.http.put(f"{path}/annotations", content=coco({"b.jpg": 50, "gone.jpg": 51}))
    answer = tenant.http.post(f"{path}/seal", params={"strict_annotations": True})
    assert (answer.status_code, answer.json()["code"]) == (422, "annotations_unmatched")
    assert tenant.http.get(path).json()["state"] == "open"
    sealed = tenant.http.post(f"{path}/seal").json()
    assert (sealed["annotated_image_count"], sealed["unused_annotation_count"]) == (1, 1)


def test_categories_come_from_the_annotations(tenant: Tenant) -> None:
    path = new_upload(tenant)
    assert tenant.http.get(f"{path}/categories").json() == {"items": []}
    tenant.http.put(f"{path}/annotations", content=coco({"b.jpg": 50}))
    assert tenant.http.get(f"{path}/categories").json() == {"items": [{"id": 1, "name": "thing"}]}


def test_files_left_out_of_a_folder_are_reported(tenant: Tenant, folder: Path) -> None:
    put_images(folder, "a.jpg", ".thumbnails/t.png", "._a.jpg", "b.heic")
    body = {"source": "directory", "directory": str(folder)}
    dataset = tenant.http.post("/v1/datasets", json=body).json()
    assert (dataset["image_count"], dataset["left_out"]) == (
        1,
        [
            {"reason": "hidden", "count": 2, "examples": ["._a.jpg", ".thumbnails/"]},
            {"reason": "format", "count": 1, "examples": ["b.heic"]},
        ],
    )
    assert tenant.http.post("/v1/datasets", json={**body, "include_hidden": True}).json()["image_count"] == 3


def test_files_left_out_by_the_client_are_stored(tenant: Tenant) -> None:
    left_out = [{"reason": "name", "count": 2, "examples": ['a "b".png']}]
    made = tenant.http.post("/v1/datasets", json={"source": "upload", "left_out": left_out})
    assert made.json()["left_out"] == left_out
    wrong = tenant.http.post("/v1/datasets", json={"source": "upload", "left_out": [{**left_out[0], "count": 0}]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "payload_invalid")


def test_a_dataset_takes_a_limit_and_a_name(tenant: Tenant, folder: Path) -> None:
    put_images(folder, "a.jpg", "b.jpg", "c.jpg")
    body = {"source": "directory", "directory": str(folder), "limit": 2, "name": "two of them"}
    dataset = tenant.http.post("/v1/datasets", json=body).json()
    assert (dataset["name"], dataset["image_count"]) == ("two of them", 2)


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"directory": "/etc"}, 403, "directory_not_allowed"),
        ({"directory": "/nowhere"}, 403, "directory_not_allowed"),
        ({"directory": "{folder}/missing"}, 422, "directory_not_found"),
        ({"directory": "{folder}/empty"}, 422, "dataset_empty"),
        ({"directory": "relative"}, 422, "directory_not_found"),
        ({"directory": ""}, 422, "payload_invalid"),
        ({"directory": "/a\x00b"}, 422, "payload_invalid"),
        ({"directory": "\ud800"}, 422, "payload_invalid"),
        ({"limit": 0}, 422, "payload_invalid"),
        ({"name": "a\x00b"}, 422, "payload_invalid"),
        ({"source": "s3"}, 422, "payload_invalid"),
        ({"unknown": 1}, 422, "payload_invalid"),
        ({"annotations_path": "/etc/passwd"}, 403, "directory_not_allowed"),
        ({"annotations_path": "{folder}/missing.json"}, 422, "annotations_not_found"),
        ({"annotations_path": "{folder}/a.jpg"}, 422, "annotations_invalid"),
        ({"annotations_path": "{folder}/big.json"}, 413, "annotations_too_large"),
        ({"prompts_path": "/etc/passwd"}, 403, "directory_not_allowed"),
        ({"prompts_path": "{folder}/missing.jsonl"}, 422, "prompts_not_found"),
        ({"prompts_path": "{folder}/a.jpg"}, 422, "prompts_invalid"),
        ({"prompts_path": "/etc", "prompts_format": "yolo"}, 403, "directory_not_allowed"),
        ({"prompts_path": "{folder}/a.jpg", "prompts_format": "coco3"}, 422, "payload_invalid"),
        ({"prompts_format": "yolo"}, 422, "payload_invalid"),
        ({"prompts_path": "{folder}/big.json"}, 413, "prompts_too_large"),
        ({"detections_path": "/etc/passwd"}, 403, "directory_not_allowed"),
        ({"detections_path": "{folder}/missing.json"}, 422, "detections_not_found"),
        ({"detections_path": "{folder}/a.jpg"}, 422, "detections_invalid"),
        ({"detections_path": "{folder}/big.json"}, 413, "detections_too_large"),
    ],
)
def test_wrong_directories_are_refused(
    tenant: Tenant, folder: Path, changes: dict[str, Any], status: int, code: str
) -> None:
    put_images(folder, "a.jpg")
    (folder / "empty").mkdir()
    (folder / "big.json").write_bytes(b" " * (MAX_ANNOTATIONS_BYTES + 1))
    body = {"source": "directory", "directory": str(folder), **changes}
    body = {k: v.replace("{folder}", str(folder)) if isinstance(v, str) else v for k, v in body.items()}
    answer = tenant.http.post("/v1/datasets", content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_images_are_uploaded_and_the_dataset_sealed(api: Api, tenant: Tenant) -> None:
    path = new_upload(tenant)
    answer = upload(tenant, path, **{"b.jpg": b"bb", "sub/Größe 1.jpg": b"s"})
    assert answer.status_code == 201, answer.text
    assert [(item["file_name"], item["size_bytes"], item["position"]) for item in answer.json()["items"]] == [
        ("b.jpg", 2, None),
        ("sub/Größe 1.jpg", 1, None),
    ]
    upload(tenant, path, **{"a.jpg": b"a"})
    assert tenant.http.put(f"{path}/annotations", content=coco({"b.jpg": 50})).json()["annotation_count"] == 1
    assert tenant.http.get(path).json()["state"] == "open"
    sealed = tenant.http.post(f"{path}/seal").json()
    assert (sealed["state"], sealed["image_count"], sealed["annotation_count"]) == ("sealed", 3, 1)
    items = tenant.http.get(f"{path}/images").json()["items"]
    assert [(item["file_name"], item["image_id"]) for item in items] == [
        ("a.jpg", 51),
        ("b.jpg", 50),
        ("sub/Größe 1.jpg", 52),
    ]
    assert len(list(api.store.list(f"contents/{tenant.id}/images/"))) == 3
    assert tenant.http.post(f"{path}/seal").json() == sealed


@pytest.mark.parametrize(
    ("files", "status", "code"),
    [
        ({"../up.jpg": b""}, 422, "file_name_invalid"),
        ({"/absolute.jpg": b""}, 422, "file_name_invalid"),
        ({"a\\b.jpg": b""}, 422, "file_name_invalid"),
        ({"taken.jpg": b""}, 409, "file_name_taken"),
        ({"big.jpg": b"x" * (MAX_IMAGE_BYTES + 1)}, 413, "image_too_large_bytes"),
        ({f"{n}.jpg": b"x" * MAX_IMAGE_BYTES for n in range(17)}, 413, "payload_too_large"),
        ({}, 422, "payload_invalid"),
    ],
)
def test_wrong_uploads_are_refused(tenant: Tenant, files: dict[str, bytes], status: int, code: str) -> None:
    path = new_upload(tenant)
    upload(tenant, path, **{"taken.jpg": b"first"})
    answer = upload(tenant, path, **files) if files else tenant.http.post(f"{path}/images")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert tenant.http.get(path).json()["image_count"] == 1


def test_a_form_with_other_fields_is_refused(tenant: Tenant) -> None:
    path = new_upload(tenant)
    for form in ({"files": {"other": ("a.jpg", b"")}}, {"files": {"files": ("a.jpg", b"")}, "data": {"note": "x"}}):
        answer = tenant.http.post(f"{path}/images", **form)
        assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")
    broken = tenant.http.post(
        f"{path}/images", content=b"nonsense", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert (broken.status_code, broken.json()["code"]) == (422, "payload_invalid")


def test_a_sealed_dataset_cannot_be_changed(tenant: Tenant, folder: Path) -> None:
    put_images(folder, "a.jpg")
    path = tenant.http.post("/v1/datasets", json={"source": "directory", "directory": str(folder)}).headers["Location"]
    assert upload(tenant, path, **{"b.jpg": b""}).json()["code"] == "dataset_sealed"
    assert tenant.http.put(f"{path}/annotations", content=coco({"a.jpg": 1})).json()["code"] == "dataset_sealed"


def test_an_empty_upload_cannot_be_sealed(tenant: Tenant) -> None:
    answer = tenant.http.post(f"{new_upload(tenant)}/seal")
    assert (answer.status_code, answer.json()["code"]) == (422, "dataset_empty")


def test_datasets_come_in_pages_newest_first(tenant: Tenant) -> None:
    made = [new_upload(tenant).rpartition("/")[2] for _ in range(5)]
    seen, cursor = [], None
    while True:
        page = tenant.http.get("/v1/datasets", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["id"] for item in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert seen == made[::-1]


def test_images_come_in_pages_and_sealing_invalidates_cursors(tenant: Tenant) -> None:
    path = new_upload(tenant)
    upload(tenant, path, **{f"{name}.jpg": b"" for name in "cab"})
    first = tenant.http.get(f"{path}/images", params={"limit": 2}).json()
    second = tenant.http.get(f"{path}/images", params={"limit": 2, "cursor": first["next"]}).json()
    assert [item["file_name"] for item in first["items"] + second["items"]] == ["c.jpg", "a.jpg", "b.jpg"]
    tenant.http.post(f"{path}/seal")
    stale = tenant.http.get(f"{path}/images", params={"cursor": first["next"]})
    assert (stale.status_code, stale.json()["code"]) == (422, "cursor_invalid")
    first = tenant.http.get(f"{path}/images", params={"limit": 2}).json()
    second = tenant.http.get(f"{path}/images", params={"limit": 2, "cursor": first["next"]}).json()
    assert [item["file_name"] for item in first["items"] + second["items"]] == ["a.jpg", "b.jpg", "c.jpg"]
    assert second["next"] is None
