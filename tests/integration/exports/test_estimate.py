"""Sizes of exports before they are built, compared with the files that are built."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, mask, new_job, plan, segmented
from samfleet.exports.build import build_export
from samfleet.jobs.outcomes import ImageOutcome, ShardImage

IMAGES = 60
SHARD = 10
SHOWN = ("overlays", "cutouts", "contact_sheet")  # formats that show images


def various(image: ShardImage) -> ImageOutcome:
    """Return an outcome with 1 to 7 masks."""
    masks = tuple(mask(place, place + 9) for place in range(1 + image.image_id * 5 % 7))
    return replace(segmented(image), masks=masks)


@pytest.fixture
def run_of_many(api: Api, tenant: Tenant, folder: Path) -> str:
    job = new_job(tenant, folder, images=IMAGES, name="Regale / 2. Stock")
    plan(api, job, shard_size=SHARD)
    carry_out(api, job, various)
    return f"/v1/runs/{job['runs'][0]['id']}"


def estimate(tenant: Tenant, run_path: str, form: str, **options: Any) -> dict[str, Any]:
    answer = tenant.http.post(f"{run_path}/exports/estimate", json={"format": form, "options": options})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def built(api: Api, tenant: Tenant, run_path: str, form: str) -> dict[str, Any]:
    export = tenant.http.post(f"{run_path}/exports", json={"format": form}).json()
    build_export(api.engine, api.store, uuid.UUID(export["id"]), 20_000)
    made: dict[str, Any] = tenant.http.get(f"/v1/exports/{export['id']}").json()
    assert made["state"] == "completed"
    return made


@pytest.mark.parametrize("form", ["coco", "instances", "coco_pair", "yolo", "png_masks", "parquet"])
def test_a_size_is_estimated_from_some_images(api: Api, tenant: Tenant, run_of_many: str, form: str) -> None:
    guessed = estimate(tenant, run_of_many, form)
    assert (guessed["exact"], guessed["images"], guessed["sha256"]) == (False, IMAGES, None)
    assert 0 < guessed["sampled"] <= 24
    made = built(api, tenant, run_of_many, form)
    assert guessed["bytes"] == pytest.approx(made["bytes"], rel=0.1)
    known = estimate(tenant, run_of_many, form)
    assert known == {**guessed, "bytes": made["bytes"], "exact": True, "sampled": 0, "sha256": made["sha256"]}
    name = f"Regale-2-Stock-mobile_sam-{run_of_many.rpartition('/')[2][:8]}.{form}"
    assert made["file_name"].startswith(name)
    assert estimate(tenant, run_of_many, form, min_area=1000)["bytes"] < made["bytes"]


def test_the_size_of_a_small_run_is_exact(api: Api, tenant: Tenant, run_path: str) -> None:
    for form in ("instances", "png"):
        guessed = estimate(tenant, run_path, form)
        assert (guessed["exact"], guessed["sampled"]) == (True, 4)
        assert guessed["bytes"] == built(api, tenant, run_path, form)["bytes"]


@pytest.mark.parametrize("form", SHOWN)
def test_a_format_that_shows_images_has_no_size_before(tenant: Tenant, run_path: str, form: str) -> None:
    assert estimate(tenant, run_path, form)["bytes"] is None


def test_what_cannot_be_exported_has_no_estimate(tenant: Tenant, run_path: str, folder: Path) -> None:
    open_run = f"/v1/runs/{new_job(tenant, folder)['runs'][0]['id']}"
    for path, form, status, code in (
        (run_path, "gpkg", 422, "export_not_georeferenced"),
        (run_path, "none", 422, "export_format_unknown"),
        (open_run, "coco", 409, "run_not_ended"),
        (f"/v1/runs/{uuid.uuid4()}", "coco", 404, "run_not_found"),
    ):
        answer = tenant.http.post(f"{path}/exports/estimate", json={"format": form})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
