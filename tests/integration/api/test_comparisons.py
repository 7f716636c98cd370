"""Comparisons over HTTP: requests, ranked images, single images, deletion, and what may not be seen."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from fixtures.api.running_api import Api, Tenant, new_tenant
from fixtures.worker.recorded_jobs import carry_out, mask, new_job, plan, segmented
from samfleet.comparisons.build import build_comparison
from samfleet.jobs.outcomes import ImageError, ImageOutcome, Quality, ShardImage
from samfleet.jobs.purge import remove_job

IMAGES = 5


def reference(image: ShardImage) -> ImageOutcome:
    """Two masks in every image, with a mean IoU of 0.8."""
    return replace(segmented(image), masks=(mask(2, 12), mask(14, 24)), quality=Quality(2, 1.6))


def other(image: ShardImage) -> ImageOutcome:
    """Image 1 failed, 2 and 5 are the same, 3 has a changed mask, 4 lost and gained one and has no annotations."""
    if image.image_id == 1:
        return ImageOutcome(image, error=ImageError("image_truncated", "the file ends early", "preprocess"))
    masks = {3: (mask(2, 12), mask(14, 22)), 4: (mask(26, 30), mask(14, 24))}
    quality = None if image.image_id == 4 else Quality(2, 0.2 * image.image_id)
    return replace(segmented(image), masks=masks.get(image.image_id, (mask(2, 12), mask(14, 24))), quality=quality)


@pytest.fixture
def sides(api: Api, tenant: Tenant, folder: Path) -> dict[str, str]:
    """The runs of a job: the reference, and another variant."""
    job = new_job(tenant, folder, images=IMAGES, variants=["mobile_sam", "repvit_sam"], name="shelves")
    runs = {run["variant"]: run for run in job["runs"]}
    for variant, outcomes in (("mobile_sam", reference), ("repvit_sam", other)):
        carry_out(api, {**job, "runs": [runs[variant]]}, outcomes)
    return {"run_a": runs["mobile_sam"]["id"], "run_b": runs["repvit_sam"]["id"]}


def completed(api: Api, tenant: Tenant, sides: dict[str, str]) -> dict[str, Any]:
    comparison = tenant.http.post("/v1/comparisons", json=sides).json()
    build_comparison(api.engine, api.store, uuid.UUID(comparison["id"]))
    found: dict[str, Any] = tenant.http.get(f"/v1/comparisons/{comparison['id']}").json()
    return found


def test_a_comparison_is_requested_and_read(api: Api, tenant: Tenant, folder: Path, sides: dict[str, str]) -> None:
    answer = tenant.http.post("/v1/comparisons", json={name: run_id[:10] for name, run_id in sides.items()})
    assert answer.status_code == 202, answer.text
    comparison = answer.json()
    assert answer.headers["Location"] == f"/v1/comparisons/{comparison['id']}"
    assert (comparison["state"], comparison["progress"], comparison["summary"]) == ("queued", 0.0, None)
    assert [task.args for task in api.queue.sent if task.task == "comparisons.build"][-1] == (comparison["id"],)
    again = tenant.http.post("/v1/comparisons", json=sides)
    assert (again.status_code, again.json()["id"]) == (200, comparison["id"])
    done = completed(api, tenant, sides)
    assert (done["state"], done["progress"], done["outdated"], done["error"]) == ("completed", 1.0, False, None)
    summary = done["summary"]
    counts = {name: summary[name] for name in ("images", "masks_a", "masks_b", "matched", "changed", "lost", "gained")}
    assert counts == {
        "images": 4, "masks_a": 8, "masks_b": 8, "matched": 7, "changed": 1, "lost": 1, "gained": 1
    }  # fmt: skip
    assert summary["mean_iou"] == pytest.approx(6.8 / 7)
    assert summary["agreement"] == pytest.approx(6.8 / 8)
    assert done["a"]["run_id"] == sides["run_a"]
    assert done["b"]["in_words"] == f"repvit_sam, everything, 32 points per side, dataset {folder.name}, on A CPU"
    assert (done["a"]["job_name"], done["a"]["hardware"][0]["device_name"]) == ("shelves", "A CPU")
    assert tenant.http.get(f"/v1/comparisons/{done['id'][:8]}").json() == done


@pytest.mark.parametrize(
    ("sort", "images"),
    [
        ("disagreement", [4, 3, 2, 5]),
        ("position", [2, 3, 4, 5]),
        ("worst_iou_a", [2, 3, 4, 5]),
        ("worst_iou_b", [2, 3, 5]),
        ("iou_change", [2, 3, 5]),
    ],
)
def test_images_are_ranked_page_by_page(
    api: Api, tenant: Tenant, sides: dict[str, str], sort: str, images: list[int]
) -> None:
    path = f"/v1/comparisons/{completed(api, tenant, sides)['id']}/images"
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = tenant.http.get(path, params={"sort": sort, "limit": 2, **cursor}).json()
        found += page["items"]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
        wrong = tenant.http.get(path, params={"sort": "position" if sort != "position" else "iou_change", **cursor})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "cursor_invalid")
    assert [one["image_id"] for one in found] == images
    assert tenant.http.get(path, params={"sort": sort}).json()["items"] == found


def test_an_image_of_the_list_has_its_figures(api: Api, tenant: Tenant, sides: dict[str, str]) -> None:
    path = f"/v1/comparisons/{completed(api, tenant, sides)['id']}/images"
    first, second, *_ = tenant.http.get(path).json()["items"]
    assert first == {
        "image_id": 4,
        "file_name": "3.png",
        "position": 3,
        "masks_a": 2,
        "masks_b": 2,
        "matched": 1,
        "changed": 0,
        "lost": 1,
        "gained": 1,
        "mean_iou": 1.0,
        "disagreement": 0.5,
        "iou_a": 0.8,
        "iou_b": None,
        "iou_change": None,
    }
    assert (second["changed"], second["iou_b"]) == (1, pytest.approx(0.3))
    assert second["iou_change"] == pytest.approx(-0.5)


@pytest.mark.parametrize("cursor", ["x", "WyJkaXNhZ3JlZW1lbnQiLCAibmFuIiwgMV0", "WyJkaXNhZ3JlZW1lbnQiXQ"])
def test_a_wrong_cursor_is_refused(api: Api, tenant: Tenant, sides: dict[str, str], cursor: str) -> None:
    path = f"/v1/comparisons/{completed(api, tenant, sides)['id']}/images"
    answer = tenant.http.get(path, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid")


def test_the_masks_of_one_image_are_matched(tenant: Tenant, sides: dict[str, str]) -> None:
    path = f"/v1/runs/{sides['run_a']}/images"
    third = tenant.http.get(f"{path}/3/comparison", params={"with": sides["run_b"][:8]}).json()
    assert third["pairs"] == [
        {"a": 0, "b": 0, "iou": 1.0, "changed": False},
        {"a": 1, "b": 1, "iou": pytest.approx(0.8), "changed": True},
    ]
    assert (third["lost"], third["gained"], third["disagreement"]) == ([], [], pytest.approx(0.1))
    fourth = tenant.http.get(f"{path}/4/comparison", params={"with": sides["run_b"]}).json()
    assert (fourth["pairs"], fourth["lost"], fourth["gained"]) == (
        [{"a": 1, "b": 1, "iou": 1.0, "changed": False}], [0], [0]
    )  # fmt: skip
    failed = tenant.http.get(f"{path}/1/comparison", params={"with": sides["run_b"]})
    assert (failed.status_code, failed.json()["code"]) == (409, "image_not_segmented")
    missing = tenant.http.get(f"{path}/99/comparison", params={"with": sides["run_b"]})
    assert (missing.status_code, missing.json()["code"]) == (404, "image_result_not_found")


def test_only_ended_runs_over_the_same_images_are_compared(
    api: Api, tenant: Tenant, folder: Path, sides: dict[str, str]
) -> None:
    def refused(run_a: str, run_b: str) -> tuple[int, str]:
        answer = tenant.http.post("/v1/comparisons", json={"run_a": run_a, "run_b": run_b})
        return answer.status_code, answer.json()["code"]

    assert refused(sides["run_a"], sides["run_a"]) == (422, "runs_not_comparable")
    assert refused(sides["run_a"], str(uuid.uuid4())) == (404, "run_not_found")
    assert refused(sides["run_a"], "x") == (422, "payload_invalid")
    elsewhere = api.root / uuid.uuid4().hex
    elsewhere.mkdir()
    job = new_job(tenant, elsewhere, images=2)
    plan(api, job)
    run_id = job["runs"][0]["id"]
    assert refused(sides["run_a"], run_id) == (422, "runs_not_comparable")
    image = tenant.http.get(f"/v1/runs/{sides['run_a']}/images/2/comparison", params={"with": run_id})
    assert (image.status_code, image.json()["code"]) == (422, "runs_not_comparable")
    same_folder = new_job(tenant, folder, images=IMAGES)
    assert refused(sides["run_a"], same_folder["runs"][0]["id"]) == (409, "run_not_ended")


def test_comparisons_are_listed_and_deleted(api: Api, tenant: Tenant, sides: dict[str, str]) -> None:
    done = completed(api, tenant, sides)
    turned = tenant.http.post("/v1/comparisons", json={"run_a": sides["run_b"], "run_b": sides["run_a"]}).json()
    listed = tenant.http.get("/v1/comparisons").json()
    assert [one["id"] for one in listed["items"]] == [turned["id"], done["id"]]
    page = tenant.http.get("/v1/comparisons", params={"limit": 1}).json()
    rest = tenant.http.get("/v1/comparisons", params={"limit": 1, "cursor": page["next"]}).json()
    assert [*page["items"], *rest["items"]] == listed["items"]
    assert tenant.http.get("/v1/comparisons", params=sides).json()["items"] == [done]
    with new_tenant(api) as stranger:
        assert stranger.http.get("/v1/comparisons").json()["items"] == []
        assert stranger.http.post("/v1/comparisons", json=sides).status_code == 404
    assert tenant.http.delete(f"/v1/comparisons/{turned['id']}").status_code == 204
    assert tenant.http.get(f"/v1/comparisons/{turned['id']}").json()["code"] == "comparison_not_found"
    assert tenant.http.get("/v1/comparisons").json()["items"] == [done]


def test_a_comparison_is_deleted_with_its_job(api: Api, tenant: Tenant, sides: dict[str, str]) -> None:
    done = completed(api, tenant, sides)
    job_id = done["a"]["job_id"]
    tenant.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
    assert tenant.http.get(f"/v1/comparisons/{done['id']}").status_code == 404
    assert tenant.http.get("/v1/comparisons").json()["items"] == []
    remove_job(api.engine, api.store, uuid.UUID(job_id), grace=timedelta(0), deadline=time.monotonic() + 60)
    with api.engine.connect() as connection:
        left = connection.execute(
            text("SELECT count(*) FROM comparison_images WHERE comparison_id = :id"), {"id": done["id"]}
        ).scalar_one()
    assert left == 0
