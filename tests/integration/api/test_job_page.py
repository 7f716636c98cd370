"""Requests of a job's page: recording times, grouped failures, and the images of a run."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, claim_next, failed, new_job, plan, record_shard, segmented
from samfleet.db.models import Shard
from samfleet.db.session import transaction
from samfleet.jobs.outcomes import ImageError, ImageOutcome, ShardImage
from samfleet_api.pagination import encode_cursor


def some_fail(image: ShardImage) -> ImageOutcome:
    """Outcomes: 1, 4 and 5 are truncated, 2 is missing, the others succeed."""
    if image.image_id in {1, 4, 5}:
        return failed(image)
    if image.image_id == 2:
        return ImageOutcome(image, error=ImageError("image_missing", "2 is gone", "fetch"))
    return segmented(image)


def read(tenant: Tenant, path: str, **parameters: Any) -> Any:
    answer = tenant.http.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def record_at(api: Api, run_id: str, seconds: dict[int, float]) -> datetime:
    """Set when the shards of these indexes were recorded, relative to a claim an hour ago, and return that time."""
    with transaction(api.engine) as session:
        claimed: datetime = session.execute(select(func.now() - timedelta(hours=1))).scalar_one()
        for index, after in seconds.items():
            recorded = {"claimed_at": claimed, "finished_at": claimed + timedelta(seconds=after)}
            shard = Shard.run_id == uuid.UUID(run_id), Shard.index == index
            session.execute(update(Shard).where(*shard).values(**recorded))
    return claimed


def images_of(run: dict[str, Any]) -> list[int]:
    return [point["images"] for point in run["points"]]


def test_throughput_of_a_finished_job_shows_its_pause(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=4, pools=["default", "other"])  # two shards per run
    carry_out(api, job, some_fail)
    first, second = (run["id"] for run in job["runs"])
    claimed = record_at(api, first, {0: 10, 1: 100})
    record_at(api, second, {0: 55, 1: 56})
    throughput = read(tenant, f"/v1/jobs/{job['id']}/throughput", points=10)
    assert throughput["seconds_per_point"] == pytest.approx(10, rel=1e-3)
    assert abs(datetime.fromisoformat(throughput["started_at"]) - claimed) < timedelta(seconds=1)
    one, other = throughput["runs"]
    assert (one["run_id"], one["variant"], one["pool"], other["pool"]) == (first, "mobile_sam", "default", "other")
    assert images_of(other) == [0, 0, 0, 0, 0, 4, 0, 0, 0, 0]
    assert sum(images_of(one)[:2]) == 2
    assert images_of(one)[2:] == [0, 0, 0, 0, 0, 0, 0, 2]
    last = one["points"][-1]
    assert (last["images"], last["failures"]) == (2, 1)
    assert last["images_per_second"] == pytest.approx(0.2, rel=1e-3)
    assert sum(point["failures"] for point in one["points"]) == 3
    times = [datetime.fromisoformat(point["at"]) for point in one["points"]]
    assert times[0] == datetime.fromisoformat(throughput["started_at"])
    assert {round((later - earlier).total_seconds(), 3) for earlier, later in pairwise(times)} == {
        round(throughput["seconds_per_point"], 3)
    }


def test_throughput_of_a_running_job_extends_to_now(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=8)
    path = f"/v1/jobs/{job['id']}/throughput"
    waiting = read(tenant, path)
    assert (waiting["seconds_per_point"], waiting["started_at"], waiting["runs"][0]["points"]) == (0.0, None, [])
    plan(api, job)
    run_id = job["runs"][0]["id"]
    claimed = claim_next(api, run_id)
    assert claimed is not None
    record_shard(api, claimed)
    record_at(api, run_id, {0: 60})
    assert len(read(tenant, path)["runs"][0]["points"]) == 60
    throughput = read(tenant, path, points=2)
    assert throughput["seconds_per_point"] == pytest.approx(1800, abs=60)
    assert images_of(throughput["runs"][0]) == [len(claimed.images), 0]


def test_a_clock_set_back_loses_no_images(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=4)
    carry_out(api, job, segmented)
    record_at(api, job["runs"][0]["id"], {0: -30, 1: 10})
    (run,) = read(tenant, f"/v1/jobs/{job['id']}/throughput", points=2)["runs"]
    assert images_of(run) == [2, 2]


@pytest.mark.parametrize("points", [1, 501, "many"])
def test_invalid_numbers_of_points_are_refused(tenant: Tenant, folder: Path, points: object) -> None:
    job = new_job(tenant, folder, images=1)
    answer = tenant.http.get(f"/v1/jobs/{job['id']}/throughput", params={"points": str(points)})
    assert (answer.status_code, answer.json()["code"]) == (422, "payload_invalid")


def test_similar_failures_are_counted_together(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=6, pools=["default", "other"])
    assert read(tenant, f"/v1/jobs/{job['id']}/errors/groups") == {"items": []}
    carry_out(api, job, some_fail)
    run_ids = sorted(run["id"] for run in job["runs"])
    truncated, missing = read(tenant, f"/v1/jobs/{job['id']}/errors/groups")["items"]
    assert truncated == {
        "code": "image_truncated",
        "stage": "preprocess",
        "images": 6,
        "message": "the file ends early",
        "run_ids": run_ids,
        "first": {"run_id": run_ids[0], "image_id": 1, "file_name": "0.png"},
    }
    assert (missing["code"], missing["stage"], missing["images"], missing["run_ids"]) == (
        "image_missing",
        "fetch",
        2,
        run_ids,
    )
    assert missing["message"] == "2 is gone"
    listed = read(tenant, f"/v1/jobs/{job['id']}/errors")["items"]
    assert {name: listed[0][name] for name in truncated["first"]} == truncated["first"]


def test_the_images_of_a_run_are_in_dataset_order(api: Api, tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=12)
    path = f"/v1/runs/{job['runs'][0]['id']}/images"
    assert {image["outcome"] for image in read(tenant, path)["items"]} == {"pending"}
    plan(api, job, shard_size=4)
    for _ in range(2):  # of three shards
        claimed = claim_next(api, job["runs"][0]["id"])
        assert claimed is not None
        record_shard(api, claimed, some_fail)
    every = read(tenant, path)
    names = sorted(f"{number}.png" for number in range(12))
    assert ([image["file_name"] for image in every["items"]], every["next"]) == (names, None)
    by_id = {image["image_id"]: image for image in every["items"]}
    assert by_id[1] == {
        "image_id": 1,
        "file_name": "0.png",
        "outcome": "failed",
        "mask_count": 0,
        "error_code": "image_truncated",
        "image_ms": None,
        "predicted_iou": None,
        "iou": None,
    }
    assert (by_id[3]["outcome"], by_id[3]["mask_count"], by_id[3]["image_ms"]) == ("succeeded", 2, 15.5)
    assert (by_id[12]["outcome"], by_id[12]["mask_count"], by_id[12]["image_ms"]) == ("pending", None, None)
    outcomes = {name: [i["image_id"] for i in read(tenant, path, outcome=name)["items"]] for name in OUTCOMES}
    assert outcomes == {"succeeded": [3, 6, 7, 8], "failed": [1, 2, 4, 5], "pending": [9, 10, 11, 12]}
    paged: list[Any] = []
    cursor = None
    while cursor or not paged:
        page = read(tenant, path, limit=5, **({"cursor": cursor} if cursor else {}))
        paged, cursor = paged + page["items"], page["next"]
    assert paged == every["items"]


OUTCOMES = ("succeeded", "failed", "pending")


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"outcome": "lost"}, "payload_invalid"),
        ({"limit": "0"}, "payload_invalid"),
        ({"cursor": "x"}, "cursor_invalid"),
        ({"cursor": encode_cursor("a")}, "cursor_invalid"),
    ],
)
def test_invalid_parameters_of_image_lists_are_refused(
    tenant: Tenant, folder: Path, parameters: dict[str, str], code: str
) -> None:
    job = new_job(tenant, folder, images=1)
    answer = tenant.http.get(f"/v1/runs/{job['runs'][0]['id']}/images", params=parameters)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_cursor_past_the_end_gives_an_empty_page(tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=1)
    assert read(tenant, f"/v1/runs/{job['runs'][0]['id']}/images", cursor=encode_cursor(2**62))["items"] == []
    past = encode_cursor("position", 2**62)
    assert read(tenant, f"/v1/datasets/{job['dataset_id']}/images", cursor=past)["items"] == []


def test_another_tenant_sees_nothing_of_the_job(api: Api, tenant: Tenant, other_tenant: Tenant, folder: Path) -> None:
    job = new_job(tenant, folder, images=2)
    carry_out(api, job, some_fail)
    for path, code in (
        (f"/v1/jobs/{job['id']}/throughput", "job_not_found"),
        (f"/v1/jobs/{job['id']}/errors/groups", "job_not_found"),
        (f"/v1/runs/{job['runs'][0]['id']}/images", "run_not_found"),
    ):
        answer = other_tenant.http.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
