"""Reviews over HTTP: decisions, two reviewers at once, progress, the next image, history, and their deletion."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from fixtures.api.running_api import Api, Tenant
from fixtures.api.tenant_matrix import client_of
from fixtures.worker.recorded_jobs import carry_out, failed, mask, new_job, segmented
from samfleet.db.models import ImageReview, MaskReview, ReviewChange, Run, RunReview
from samfleet.db.session import read_only
from samfleet.jobs.outcomes import ImageOutcome, ShardImage
from samfleet.jobs.purge import remove_job

TABLES = (RunReview, ImageReview, MaskReview, ReviewChange)


def patch(tenant: Tenant, path: str, version: int, *changes: dict[str, Any], image: int = 1) -> httpx.Response:
    body = {"version": version, "changes": list(changes)}
    return tenant.http.patch(f"{path}/images/{image}/review", json=body)


def states(review: dict[str, Any]) -> dict[int, str]:
    return {one["mask"]: one["state"] for one in review["masks"]}


def rows(api: Api, path: str) -> list[int]:
    run_id = uuid.UUID(path.rpartition("/")[2])
    with read_only(api.engine) as session:
        counts = (session.scalar(select(func.count()).where(table.run_id == run_id)) for table in TABLES)
        return [count or 0 for count in counts]


def with_an_empty_image(image: ShardImage) -> ImageOutcome:
    if image.image_id == 2:
        return failed(image)
    made = segmented(image)
    masks = () if image.image_id == 4 else (mask(), mask(14, 20), mask(20, 24))
    return ImageOutcome(image, masks, report=made.report, fetch_ms=1.0)


@pytest.fixture
def path(api: Api, tenant: Tenant, folder: Path) -> str:
    """Path of a run over five images: 2 failed, 4 has no masks, the others have three."""
    job = new_job(tenant, folder, images=5)
    carry_out(api, job, with_an_empty_image)
    return f"/v1/runs/{job['runs'][0]['id']}"


def test_decisions_are_stored_with_who_and_when_and_change_no_result(tenant: Tenant, path: str) -> None:
    before = tenant.http.get(f"{path}/images/1").json()
    empty = tenant.http.get(f"{path}/images/1/review").json()
    assert (empty["version"], empty["reviewed"], empty["masks"]) == (0, False, [])
    assert empty["counts"] == {"total": 3, "accepted": 0, "rejected": 0, "deleted": 0, "undecided": 3}
    answer = patch(
        tenant, path, 0, {"masks": [0, 2], "merge": True, "category": "shelf"}, {"masks": [1], "state": "rejected"}
    )
    assert answer.status_code == 200, answer.text
    review = answer.json()
    assert review == tenant.http.get(f"{path}/images/1/review").json()
    assert (review["version"], review["reviewed"]) == (1, True)
    assert review["counts"] == {"total": 3, "accepted": 2, "rejected": 1, "deleted": 0, "undecided": 0}
    first = review["masks"][0]
    assert (first["state"], first["category"], first["merged"], first["key"]) == (
        "accepted",
        "shelf",
        [0, 2],
        "registered",
    )
    assert first["actor"].startswith("key:")
    assert tenant.http.get(f"{path}/images/1").json() == before


def test_another_reviewer_is_not_overwritten_and_a_repeated_request_is_no_conflict(tenant: Tenant, path: str) -> None:
    ann = {"masks": [0], "state": "accepted"}
    assert patch(tenant, path, 0, ann).json()["version"] == 1
    refused = patch(tenant, path, 0, {"masks": [0], "state": "deleted"})
    assert (refused.status_code, refused.json()["code"]) == (409, "review_changed")
    assert "version 1" in refused.json()["detail"]
    assert patch(tenant, path, 0, ann).json()["version"] == 1  # the reply to the first one was lost
    assert patch(tenant, path, 7, {"masks": [1], "state": "accepted"}, image=3).status_code == 409
    assert tenant.http.get(f"{path}/images/3/review").json()["version"] == 0
    assert patch(tenant, path, 1, {"masks": [0], "state": "deleted"}).json()["version"] == 2


def test_of_two_changes_at_once_one_is_made(api: Api, tenant: Tenant, path: str) -> None:
    def decide(state: str) -> int:
        with client_of(api, tenant.key) as http:
            body = {"version": 0, "changes": [{"masks": [0], "state": state}]}
            return http.patch(f"{path}/images/1/review", json=body).status_code

    with ThreadPoolExecutor(6) as threads:
        codes = list(threads.map(decide, ["accepted", "rejected", "deleted"] * 2))
    review = tenant.http.get(f"{path}/images/1/review").json()
    assert review["version"] == 1
    assert min(codes) == 200
    assert set(codes) <= {200, 409}
    assert codes.count(200) <= 2  # a second one that asks for the same state makes no difference
    assert sum(review["counts"][state] for state in ("accepted", "rejected", "deleted")) == 1


def test_counts_follow_every_change(api: Api, tenant: Tenant, path: str) -> None:
    steps: list[list[dict[str, Any]]] = [
        [{"masks": [0, 1, 2], "state": "accepted"}],
        [{"masks": [1], "state": "deleted"}],
        [{"masks": [0, 2], "merge": True, "state": "rejected"}],
        [{"masks": [2], "merge": False}, {"masks": [0], "state": "undecided"}],
    ]
    for version, changes in enumerate(steps):
        assert patch(tenant, path, version, *changes).status_code == 200
    assert patch(tenant, path, 0, {"masks": [0, 1, 2], "state": "accepted"}, image=5).status_code == 200
    progress = tenant.http.get(f"{path}/review").json()
    assert progress["images"] == {"total": 4, "reviewed": 1, "started": 2}
    assert progress["masks"] == {"total": 9, "accepted": 3, "rejected": 1, "deleted": 1, "undecided": 4}
    (person,) = progress["people"]
    assert (person["key"], person["accepted"], person["rejected"], person["deleted"]) == ("registered", 3, 1, 1)
    assert progress["version"] == 5
    assert rows(api, path) == [1, 2, 5, 5]


def test_the_next_image_is_the_first_without_a_complete_review(tenant: Tenant, path: str) -> None:
    def following(**params: int) -> int | None:
        found: int | None = tenant.http.get(f"{path}/review/next", params=params).json()["image_id"]
        return found

    assert (following(), following(after=1), following(after=5)) == (1, 3, 1)
    assert patch(tenant, path, 0, image=4).json()["reviewed"] is True  # looked at: it has no masks
    for image in (1, 5):
        assert patch(tenant, path, 0, {"masks": [0, 1, 2], "state": "rejected"}, image=image).json()["reviewed"] is True
    assert (following(), following(after=3), following(after=99)) == (3, 3, 3)
    patch(tenant, path, 0, {"masks": [0, 1, 2], "state": "deleted"}, image=3)
    assert following() is None
    assert tenant.http.get(f"{path}/review").json()["images"] == {"total": 4, "reviewed": 4, "started": 4}


def test_the_history_lists_who_changed_what(tenant: Tenant, path: str) -> None:
    changes: list[dict[str, Any]] = [{"masks": [0], "state": "accepted"}, {"masks": [0], "category": None}]
    patch(tenant, path, 0, *changes)
    patch(tenant, path, 1, {"masks": [1, 2], "merge": True})
    url = f"{path}/images/1/review/history"
    newest = tenant.http.get(url, params={"limit": 1}).json()
    assert newest["items"][0]["changes"] == [{"masks": [1, 2], "merge": True}]
    (oldest,) = tenant.http.get(url, params={"cursor": newest["next"]}).json()["items"]
    assert (oldest["version"], oldest["changes"], oldest["key"]) == (1, changes, "registered")


def test_categories_to_choose_from_are_those_of_the_dataset_and_of_reviewers(tenant: Tenant, path: str) -> None:
    assert tenant.http.get(f"{path}/review").json()["categories"] == []
    patch(tenant, path, 0, {"masks": [0], "category": "shelf"}, {"masks": [1], "category": " box "})
    assert tenant.http.get(f"{path}/review").json()["categories"] == ["box", "shelf"]


WRONG: list[tuple[Any, str]] = [
    ({"version": 0, "changes": [{"masks": [3], "state": "accepted"}]}, "review_mask_unknown"),
    ({"version": 0, "changes": [{"masks": [1], "merge": True}]}, "review_merge_too_small"),
    ({"version": 0, "changes": [{"masks": [1]}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": [], "state": "accepted"}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": [-1], "state": "accepted"}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": ["1"], "state": "accepted"}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": [0], "state": "good"}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": [0], "category": " "}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": [0], "category": "x" * 101}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": list(range(10_001)), "state": "accepted"}]}, "payload_invalid"),
    ({"version": 0, "changes": [{"masks": [0], "state": "accepted"}] * 1001}, "payload_invalid"),
    ({"changes": []}, "payload_invalid"),
]


def test_wrong_changes_are_refused_with_a_code(api: Api, tenant: Tenant, path: str) -> None:
    for body, code in WRONG:
        answer = tenant.http.patch(f"{path}/images/1/review", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), body
    assert rows(api, path) == [0, 0, 0, 0]


def test_images_without_a_result_have_no_review(tenant: Tenant, path: str) -> None:
    refused = patch(tenant, path, 0, image=2)
    assert (refused.status_code, refused.json()["code"]) == (409, "image_not_segmented")
    unknown = patch(tenant, path, 0, image=99)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "image_result_not_found")


def test_a_removed_job_takes_its_reviews_with_it(api: Api, tenant: Tenant, path: str) -> None:
    patch(tenant, path, 0, {"masks": [0], "state": "accepted"})
    assert rows(api, path) == [1, 1, 1, 1]
    job_id = tenant.http.get(path).json()["job_id"]
    tenant.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
    assert tenant.http.get(f"{path}/review").status_code == 404
    remove_job(api.engine, api.store, uuid.UUID(job_id), grace=timedelta(0), deadline=float("inf"))
    assert rows(api, path) == [0, 0, 0, 0]
    with read_only(api.engine) as session:
        assert session.get(Run, uuid.UUID(path.rpartition("/")[2])) is None
