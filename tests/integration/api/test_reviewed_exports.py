"""Exports of masks by their review: one state of it, taken when the file is built, and files that fall behind it."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.export_builds import OneFormat
from fixtures.worker.recorded_jobs import carry_out, new_job
from samfleet.exports.build import build_export
from samfleet.exports.formats.base import ExportSource


def requested(tenant: Tenant, path: str, form: str, **options: Any) -> httpx.Response:
    return tenant.http.post(f"{path}/exports", json={"format": form, "options": options})


def exported(api: Api, tenant: Tenant, path: str, form: str, **options: Any) -> httpx.Response:
    """Request an export, build it, and return its file."""
    export_id = requested(tenant, path, form, **options).json()["id"]
    build_export(api.engine, api.store, uuid.UUID(export_id), 1000)
    return tenant.http.get(f"/v1/exports/{export_id}/file")


def decide(tenant: Tenant, path: str, image: int, *changes: dict[str, Any]) -> None:
    url = f"{path}/images/{image}/review"
    body = {"version": tenant.http.get(url).json()["version"], "changes": list(changes)}
    tenant.http.patch(url, json=body).raise_for_status()


@pytest.fixture
def path(api: Api, tenant: Tenant, folder: Path) -> str:
    """Path of a run over four images with two masks each: 1 is accepted as one object, 3 rejected in part."""
    job = new_job(tenant, folder, images=4)
    carry_out(api, job)
    path = f"/v1/runs/{job['runs'][0]['id']}"
    decide(tenant, path, 1, {"masks": [0, 1], "merge": True, "category": "shelf"})
    decide(tenant, path, 3, {"masks": [1], "state": "rejected"})
    return path


def test_masks_are_exported_by_their_review(api: Api, tenant: Tenant, path: str) -> None:
    accepted = exported(api, tenant, path, "instances", reviewed="accepted").json()
    assert [image["id"] for image in accepted["images"]] == [1]
    (object_,) = accepted["annotations"]
    assert (object_["area"], object_["bbox"], object_["score"]) == (140, [4, 5, 16, 10], 0.9)
    assert accepted["categories"] == [{"id": object_["category_id"], "name": "shelf"}]
    assert accepted["info"]["review"] == {"masks": "accepted", "version": 2}
    rejected = exported(api, tenant, path, "cvat", reviewed="rejected").text
    assert (rejected.count("<image "), rejected.count("<mask ")) == (1, 1)
    tasks = exported(api, tenant, path, "label_studio", reviewed="rejected").json()
    assert [(task["data"]["image_id"], len(task["predictions"][0]["result"])) for task in tasks] == [(3, 1)]
    rest = exported(api, tenant, path, "instances", reviewed="unreviewed").json()
    assert [image["id"] for image in rest["images"]] == [2, 3, 4]
    assert len(rest["annotations"]) == 5


def test_all_masks_stay_as_they_are_and_json_lines_and_parquet_show_the_review(
    api: Api, tenant: Tenant, path: str
) -> None:
    whole = exported(api, tenant, path, "instances").json()
    assert (len(whole["annotations"]), "review" in whole["info"]) == (8, False)
    lines = [json.loads(line) for line in exported(api, tenant, path, "jsonl").text.splitlines()]
    reviews = [[mask.get("review") for mask in line["masks"]] for line in lines]
    assert reviews[0][1] == {
        "mask": 1,
        "state": "accepted",
        "category": "shelf",
        "merged": [0, 1],
        "by": "registered",
        "at": reviews[0][1]["at"],
    }
    assert (reviews[1], reviews[2][0], reviews[2][1]["state"]) == ([None, None], None, "rejected")
    table = pq.read_table(io.BytesIO(exported(api, tenant, path, "parquet").content)).to_pylist()
    assert [row["review_state"] for row in table] == ["accepted", "accepted", *[None] * 3, "rejected", None, None]
    assert (table[0]["review_merged"], table[0]["reviewed_by"]) == ("[0, 1]", "registered")


def test_a_review_outdates_only_the_files_that_depend_on_it(api: Api, tenant: Tenant, path: str) -> None:
    wanted = [("coco", {}), ("coco", {"reviewed": "rejected"}), ("jsonl", {})]
    before = [requested(tenant, path, form, **options) for form, options in wanted]
    assert [answer.status_code for answer in before] == [202, 202, 202]
    assert [requested(tenant, path, form, **options).status_code for form, options in wanted] == [200, 200, 200]
    for answer in before:
        build_export(api.engine, api.store, uuid.UUID(answer.json()["id"]), 1000)
    decide(tenant, path, 2, {"masks": [0], "state": "rejected"})
    listed = {one["id"]: one["outdated"] for one in tenant.http.get(f"{path}/exports").json()["items"]}
    assert [listed[answer.json()["id"]] for answer in before] == [False, True, True]
    assert [requested(tenant, path, form, **options).status_code for form, options in wanted] == [200, 202, 202]
    assert len(exported(api, tenant, path, "coco", reviewed="rejected").json()) == 2


def test_a_file_has_one_state_of_the_review(
    api: Api, tenant: Tenant, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes made while it is built are not in it, although the format reads the rows again."""

    def twice(source: ExportSource) -> Iterator[bytes]:
        for change in ({"masks": [0, 1], "state": "rejected"}, {"masks": [0, 1], "state": "deleted"}):
            yield json.dumps([(row["image_id"], len(row["masks"])) for row in source.rows()]).encode() + b"\n"
            decide(tenant, path, 2, change)

    for module in ("build", "request"):
        monkeypatch.setattr(f"samfleet.exports.{module}.FORMATS", {"one": OneFormat(twice)})
    lines = exported(api, tenant, path, "one", reviewed="rejected").text.splitlines()
    assert lines == ["[[3, 1]]"] * 2
    (export,) = tenant.http.get(f"{path}/exports").json()["items"]
    assert export["outdated"] is True


def test_a_file_has_the_review_of_the_start_of_its_building(api: Api, tenant: Tenant, path: str) -> None:
    export = requested(tenant, path, "coco", reviewed="rejected").json()
    decide(tenant, path, 2, {"masks": [0], "state": "rejected"})
    assert tenant.http.get(f"/v1/exports/{export['id']}").json()["outdated"] is True
    build_export(api.engine, api.store, uuid.UUID(export["id"]), 1000)
    assert tenant.http.get(f"/v1/exports/{export['id']}").json()["outdated"] is False
    assert len(tenant.http.get(f"/v1/exports/{export['id']}/file").json()) == 2


def test_a_run_without_a_review_has_nothing_accepted(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=2)
    carry_out(api, job)
    path = f"/v1/runs/{job['runs'][0]['id']}"
    assert exported(api, tenant, path, "coco", reviewed="accepted").json() == []
    assert len(exported(api, tenant, path, "coco", reviewed="unreviewed").json()) == 4
    refused = requested(tenant, path, "coco", reviewed="good")
    assert (refused.status_code, refused.json()["code"]) == (422, "payload_invalid")
