"""One image of a run: its annotations compared with its masks, and its neighbours."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from fixtures.api.annotated_run import annotated_job
from fixtures.api.running_api import Api, Tenant
from samfleet.db.models import DatasetAnnotation
from samfleet.db.session import transaction
from samfleet.masks.rle import decode_mask
from samfleet_api.runs import neighbours


@pytest.fixture
def annotated(api: Api, tenant: Tenant, folder: Path) -> dict[str, Any]:
    return annotated_job(api, tenant, folder)


@pytest.fixture
def images(annotated: dict[str, Any]) -> str:
    return f"/v1/runs/{annotated['runs'][0]['id']}/images"


def test_annotations_are_matched_with_masks_by_iou(tenant: Tenant, images: str) -> None:
    answer = tenant.http.get(f"{images}/1/annotations").json()
    assert answer["annotated"]
    found, missed, group = answer["annotations"]
    assert (found["annotation_id"], found["category"], found["mask_index"], found["found"]) == (11, "box", 0, True)
    assert found["iou"] == 1.0
    assert decode_mask(found["segmentation"]["counts"], (24, 32)).sum() == 80
    # The second mask covers columns 14 to 19 and rows 5 to 14: 2 x 5 of 6 x 10 pixels on both sides.
    assert missed["iou"] == pytest.approx(10 / 110)
    assert (missed["mask_index"], missed["found"]) == (1, False)
    assert (group["iscrowd"], group["iou"], group["mask_index"], group["found"]) == (True, None, None, None)
    assert answer["masks"] == [
        {"iou": 1.0, "annotation_id": 11},
        {"iou": pytest.approx(10 / 110), "annotation_id": 12},
    ]
    assert answer["categories"] == [{"id": 7, "name": "box"}, {"id": 8, "name": "pile"}]


def test_an_image_without_annotations_has_masks_without_iou(tenant: Tenant, images: str) -> None:
    answer = tenant.http.get(f"{images}/3/annotations").json()
    assert (answer["annotated"], answer["annotations"]) == (True, [])
    assert answer["masks"] == [{"iou": None, "annotation_id": None}] * 2


def test_annotations_are_matched_one_to_one(tenant: Tenant, images: str) -> None:
    answer = tenant.http.get(f"{images}/1/annotations/comparison").json()
    assert answer["annotated"]
    assert answer["pairs"] == [{"annotation": 0, "mask": 0, "iou": 1.0, "changed": False}]
    # The second mask overlaps the second annotation with an IoU of 0.09, and lies in the group of columns 14 to 19.
    assert (answer["lost"], answer["gained"], answer["ignored"]) == ([1], [], [1])
    assert answer["mean_iou"] == 1.0
    other = tenant.http.get(f"{images}/3/annotations/comparison").json()
    assert (other["pairs"], other["lost"], other["gained"], other["mean_iou"]) == ([], [], [0, 1], None)
    failed = tenant.http.get(f"{images}/2/annotations/comparison")
    assert (failed.status_code, failed.json()["code"]) == (409, "image_not_segmented")


def test_a_dataset_without_annotations_says_so(tenant: Tenant, run_path: str) -> None:
    answer = tenant.http.get(f"{run_path}/images/3/annotations").json()
    assert (answer["annotated"], answer["annotations"], len(answer["masks"])) == (False, [], 2)


def test_failed_and_unknown_images_and_other_sizes_are_refused(
    api: Api, tenant: Tenant, annotated: dict[str, Any], images: str
) -> None:
    for image_id, status, code in ((2, 409, "image_not_segmented"), (99, 404, "image_result_not_found")):
        answer = tenant.http.get(f"{images}/{image_id}/annotations")
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    with transaction(api.engine) as session:
        of_dataset = DatasetAnnotation.dataset_id == uuid.UUID(annotated["dataset_id"])
        larger = {"size": [240, 320], "counts": [76_800]}
        session.execute(
            update(DatasetAnnotation)
            .where(of_dataset, DatasetAnnotation.annotation_id == 11)
            .values(segmentation=larger)
        )
    answer = tenant.http.get(f"{images}/1/annotations")
    assert (answer.status_code, answer.json()["code"]) == (422, "annotation_size_mismatch")


def names(answer: dict[str, Any]) -> tuple[str | None, str | None]:
    previous, following = answer["previous"], answer["next"]
    return previous and previous["file_name"], following and following["file_name"]


def test_neighbours_are_in_the_order_of_the_dataset(tenant: Tenant, images: str) -> None:
    answer = tenant.http.get(f"{images}/2/neighbours").json()
    assert (answer["position"], answer["total"], names(answer)) == (1, 4, ("0.png", "2.png"))
    assert answer["previous"] == {"image_id": 1, "file_name": "0.png", "outcome": "succeeded"}
    assert names(tenant.http.get(f"{images}/1/neighbours").json()) == (None, "1.png")
    assert names(tenant.http.get(f"{images}/4/neighbours").json()) == ("2.png", None)
    assert tenant.http.get(f"{images}/99/neighbours").json()["code"] == "image_result_not_found"


@pytest.mark.parametrize("first_search", [1, 64])
def test_neighbours_keep_the_filters(
    tenant: Tenant, images: str, first_search: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbours, "FIRST_SEARCH", first_search)
    path = f"{images}/1/neighbours"
    assert names(tenant.http.get(path, params={"outcome": "succeeded"}).json()) == (None, "2.png")
    assert names(tenant.http.get(path, params={"outcome": "failed"}).json()) == (None, "1.png")
    assert names(tenant.http.get(path, params={"file_name": "3.PNG"}).json()) == (None, "3.png")
    assert names(tenant.http.get(path, params={"file_name": "%"}).json()) == (None, None)
    back = tenant.http.get(f"{images}/4/neighbours", params={"outcome": "failed"}).json()
    assert names(back) == ("1.png", None)


def test_neighbours_keep_the_order_of_the_list(tenant: Tenant, images: str) -> None:
    """Images 1, 3 and 4 succeeded; the list and the neighbours of each order must agree."""
    for order in ("mask_count", "-mask_count", "image_ms", "-image_ms"):
        listed = [one["file_name"] for one in tenant.http.get(images, params={"sort": order}).json()["items"]]
        ids = [one["image_id"] for one in tenant.http.get(images, params={"sort": order}).json()["items"]]
        found = [names(tenant.http.get(f"{images}/{one}/neighbours", params={"sort": order}).json()) for one in ids]
        assert found == list(zip([None, *listed[:-1]], [*listed[1:], None], strict=True))
        assert len(listed) == 3
    failed = tenant.http.get(f"{images}/2/neighbours", params={"sort": "mask_count"}).json()
    assert names(failed) == (None, None)
    refused = tenant.http.get(f"{images}/2/neighbours", params={"sort": "mask_count", "outcome": "failed"})
    assert (refused.status_code, refused.json()["code"]) == (422, "image_sort_impossible")
