"""The list of a run's images by the state of their review, in the order of the dataset and by a figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.api.running_api import Api, Tenant
from fixtures.worker.recorded_jobs import carry_out, failed, new_job, segmented
from samfleet.jobs.outcomes import ImageOutcome, ShardImage

EXPECTED = {"reviewed": [1, 4], "unreviewed": [2, 5], "rejected": [2, 4], None: [1, 2, 3, 4, 5]}


def outcome_of(image: ShardImage) -> ImageOutcome:
    return failed(image) if image.image_id == 3 else segmented(image)


@pytest.fixture
def images(api: Api, tenant: Tenant, folder: Path) -> str:
    """A run in which image 1 is accepted, 2 has a rejected mask, 3 failed, 4 is rejected, and 5 has no review."""
    job = new_job(tenant, folder, images=5)
    carry_out(api, job, outcome_of)
    path = f"/v1/runs/{job['runs'][0]['id']}/images"
    for image_id, masks, state in ((1, [0, 1], "accepted"), (2, [1], "rejected"), (4, [0, 1], "rejected")):
        body = {"version": 0, "changes": [{"masks": masks, "state": state}]}
        tenant.http.patch(f"{path}/{image_id}/review", json=body).raise_for_status()
    return path


@pytest.mark.parametrize("sort", ["position", "mask_count"])
@pytest.mark.parametrize("review", EXPECTED)
def test_images_are_listed_by_their_review(tenant: Tenant, images: str, review: str | None, sort: str) -> None:
    params = {"sort": sort, **({"review": review} if review else {})}
    listed: list[dict[str, Any]] = tenant.http.get(images, params=params).raise_for_status().json()["items"]
    segmented_only = review or sort == "mask_count"
    expected = [one for one in EXPECTED[review] if not (segmented_only and one == 3)]
    assert sorted(image["image_id"] for image in listed) == expected


def test_neighbours_and_other_filters_follow_the_review(tenant: Tenant, images: str) -> None:
    near = tenant.http.get(f"{images}/2/neighbours", params={"review": "reviewed"}).json()
    assert (near["previous"]["image_id"], near["next"]["image_id"]) == (1, 4)
    params = {"review": "rejected", "outcome": "failed"}
    assert tenant.http.get(images, params=params).json()["items"] == []
    wrong = tenant.http.get(images, params={"review": "accepted"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "payload_invalid")
