from __future__ import annotations

import json
from pathlib import Path

import pytest
from pycocotools.coco import COCO

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import (
    HEIGHT,
    WIDTH,
    claim_next,
    new_job,
    plan,
    record_shard,
)


def test_results_are_available_in_both_formats(tenant: Tenant, run_path: str) -> None:
    coco = tenant.http.get(f"{run_path}/results")
    assert coco.headers["Content-Type"] == "application/json"
    assert "attachment" in coco.headers["Content-Disposition"]
    assert [entry["image_id"] for entry in coco.json()] == [1, 1, 3, 3, 4, 4]
    assert coco.json()[0]["segmentation"]["size"] == [HEIGHT, WIDTH]
    lines = tenant.http.get(f"{run_path}/results", params={"format": "jsonl"})
    assert lines.headers["Content-Type"].startswith("application/x-ndjson")
    rows = [json.loads(line) for line in lines.text.splitlines()]
    assert [(row["image_id"], row["outcome"]) for row in rows] == [
        (1, "succeeded"),
        (2, "failed"),
        (3, "succeeded"),
        (4, "succeeded"),
    ]
    head = tenant.http.head(f"{run_path}/results", params={"format": "jsonl"})
    assert (head.status_code, head.content) == (200, b"")
    told = ("Content-Type", "Content-Disposition", "Content-Encoding", "ETag", "Vary")
    assert [head.headers.get(name) for name in told] == [lines.headers.get(name) for name in told]


def test_results_are_available_as_a_complete_coco_file(tenant: Tenant, run_path: str, tmp_path: Path) -> None:
    answer = tenant.http.get(f"{run_path}/results", params={"format": "instances"})
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Disposition"].endswith('.instances.json"')
    file = tmp_path / "instances.json"
    file.write_bytes(answer.content)
    coco = COCO(str(file))
    assert coco.dataset["info"]["variant"] == "mobile_sam"
    assert [image["id"] for image in coco.loadImgs(coco.getImgIds())] == [1, 3, 4]  # 2 failed
    assert [one["image_id"] for one in coco.loadAnns([1, 2, 3, 4, 5, 6])] == [1, 1, 3, 3, 4, 4]
    assert coco.loadCats(1) == [{"id": 1, "name": "object"}]


@pytest.mark.parametrize("form", ["coco", "instances"])
def test_boxes_are_in_pixels_unless_the_official_form_is_requested(tenant: Tenant, run_path: str, form: str) -> None:
    def boxes(**params: str) -> list[list[float]]:
        answer = tenant.http.get(f"{run_path}/results", params={"format": form, **params}).json()
        return [entry["bbox"] for entry in (answer if form == "coco" else answer["annotations"])]

    assert boxes()[0] == boxes(boxes="pixels")[0] == tenant.http.get(f"{run_path}/images/1").json()["masks"][0]["bbox"]
    assert [[x, y, width - 1, height - 1] for x, y, width, height in boxes()] == boxes(boxes="official")
    tags = {
        tenant.http.head(f"{run_path}/results", params={"format": form, "boxes": kind}).headers["ETag"]
        for kind in ("pixels", "official")
    }
    assert len(tags) == 2


@pytest.mark.parametrize("form", ["coco", "instances", "jsonl"])
def test_results_follow_accept_encoding(tenant: Tenant, run_path: str, form: str) -> None:
    path, params = f"{run_path}/results", {"format": form}
    answers = {
        coding: tenant.http.get(path, params=params, headers={"Accept-Encoding": coding})
        for coding in ("zstd", "gzip", "identity")
    }
    codings = [answer.headers.get("Content-Encoding") for answer in answers.values()]
    assert codings == ["zstd", "gzip", None]
    assert len({answer.content for answer in answers.values()}) == 1
    tags = [answer.headers["ETag"] for answer in answers.values()]
    assert len(set(tags)) == 3
    again = {"Accept-Encoding": "gzip", "If-None-Match": tags[1]}
    unchanged = tenant.http.get(path, params=params, headers=again)
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tags[1])
    other_coding = tenant.http.get(path, params=params, headers={**again, "Accept-Encoding": "zstd"})
    assert other_coding.status_code == 200


def test_results_of_a_running_run_are_the_recorded_ones(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=8)
    path = f"/v1/runs/{job['runs'][0]['id']}/results"
    assert tenant.http.get(path).json() == []
    plan(api, job)
    claimed = claim_next(api, job["runs"][0]["id"])
    assert claimed is not None
    record_shard(api, claimed)
    assert {entry["image_id"] for entry in tenant.http.get(path).json()} == {i.image_id for i in claimed.images}


def test_missing_results_are_an_error_and_not_an_empty_file(api: Api, tenant: Tenant, run_path: str) -> None:
    api.store.delete_prefix(f"{run_path.removeprefix('/v1/')}/parts/")
    answer = tenant.http.get(f"{run_path}/results")
    assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")
