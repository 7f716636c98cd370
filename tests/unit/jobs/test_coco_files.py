"""COCO files of results: tools can read them, and read the right values."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO

from samfleet.jobs.coco_files import BoxForm, Instances, box_of, iter_instances, iter_results
from samfleet.masks.rle import encode_mask

SIZE = (30, 40)
INFO = {"description": "Masks of mobile_sam", "checkpoint_sha256": ["6dbb"]}
CATEGORIES = [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 9, "name": "dog"}]


def mask(left: int, top: int, right: int, bottom: int, **fields: Any) -> dict[str, Any]:
    """Return a rectangle's mask as stored in a part, with its box as the official generator writes it."""
    bits = np.zeros(SIZE, dtype=np.bool_)
    bits[top:bottom, left:right] = True
    box = [left, top, right - left - 1, bottom - top - 1] if bits.any() else [0, 0, 0, 0]
    segmentation = {"size": list(SIZE), "counts": encode_mask(bits)}
    scores = {"predicted_iou": 0.75, "stability_score": 0.5}
    return {"segmentation": segmentation, "area": int(bits.sum()), "bbox": box, **scores, **fields}


def row(image_id: int, *masks: dict[str, Any], failed: bool = False) -> dict[str, Any]:
    height, width = (None, None) if failed else SIZE
    name = {"image_id": image_id, "file_name": f"bild ä {image_id}.jpg"}
    return {**name, "width": width, "height": height, "masks": list(masks)}


EVERYTHING = [row(5, mask(2, 3, 12, 9), mask(0, 0, 40, 30)), row(6), row(7, failed=True), row(8, mask(4, 4, 5, 20))]
BOXES = [row(5, mask(2, 3, 12, 9, category_id=9, annotation_id=70)), row(6, mask(1, 1, 3, 3, category_id=44))]


def whole(rows: list[dict[str, Any]], categories: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(b"".join(iter_instances(lambda: rows, Instances(INFO, categories or []))))
    return written


@pytest.mark.parametrize(
    "area", [(2, 3, 12, 9), (0, 0, 40, 30), (4, 4, 5, 20), (7, 29, 40, 30), (39, 29, 40, 30), (3, 3, 3, 3)]
)
def test_boxes_equal_those_of_pycocotools(area: tuple[int, int, int, int]) -> None:
    made = mask(*area)
    expected = coco.toBbox({"size": list(SIZE), "counts": made["segmentation"]["counts"].encode()})
    assert box_of(made, BoxForm.PIXELS) == expected.tolist()
    _, _, width, height = box_of(made, BoxForm.PIXELS)
    assert made["area"] <= width * height
    assert box_of(made, BoxForm.OFFICIAL) == made["bbox"]


def test_a_complete_file_has_images_annotations_and_categories() -> None:
    file = whole(EVERYTHING)
    assert list(file) == ["info", "images", "annotations", "categories"]
    assert file["info"] == INFO
    assert file["images"][0] == {"id": 5, "width": 40, "height": 30, "file_name": "bild ä 5.jpg"}
    assert [image["id"] for image in file["images"]] == [5, 6, 8]  # 7 has no size because it could not be read
    assert [(one["id"], one["image_id"]) for one in file["annotations"]] == [(1, 5), (2, 5), (3, 8)]
    assert {(one["category_id"], one["iscrowd"]) for one in file["annotations"]} == {(1, 0)}
    assert file["categories"] == [{"id": 1, "name": "object"}]


def test_categories_are_those_of_the_dataset_and_of_the_masks() -> None:
    file = whole(BOXES, CATEGORIES)
    assert file["categories"] == [*CATEGORIES, {"id": 44, "name": "category 44"}]
    assert [one["category_id"] for one in file["annotations"]] == [9, 44]
    assert [category["id"] for category in whole(BOXES)["categories"]] == [9, 44]


def test_masks_without_a_class_get_no_category_of_the_dataset() -> None:
    """A person is category 1 in COCO; SegEvery's masks without a class must not become persons."""
    people = [{"id": 1, "name": "person"}]
    assert whole(EVERYTHING, people)["categories"] == [{"id": 1, "name": "object"}]
    assert whole([row(5)], people)["categories"] == people


def test_masks_without_a_class_beside_classified_ones_get_an_id_that_no_category_has() -> None:
    categories = [{"id": number, "name": f"c{number}"} for number in (1, 3)]
    rows = [row(5, mask(2, 3, 12, 9)), row(6, mask(1, 1, 3, 3, category_id=2), mask(1, 1, 3, 3, category_id=3))]
    file = whole(rows, categories)
    assert [one["category_id"] for one in file["annotations"]] == [4, 2, 3]
    assert file["categories"] == [*categories, {"id": 2, "name": "category 2"}, {"id": 4, "name": "object"}]
    free = whole(rows, [{"id": 9, "name": "c9"}])
    assert [one["category_id"] for one in free["annotations"]] == [1, 2, 3]


def test_a_file_without_masks_is_valid() -> None:
    assert whole([row(7, failed=True)]) == {"info": INFO, "images": [], "annotations": [], "categories": []}


def test_official_boxes_are_written_on_request() -> None:
    (entry,) = json.loads(b"".join(iter_results([row(5, mask(2, 3, 12, 9))], BoxForm.OFFICIAL)))
    assert entry["bbox"] == [2, 3, 9, 5]
    file = json.loads(b"".join(iter_instances(lambda: EVERYTHING, Instances({}), BoxForm.OFFICIAL)))
    assert file["annotations"][0]["bbox"] == [2, 3, 9, 5]


@pytest.mark.parametrize("rows", [EVERYTHING, BOXES], ids=["everything", "boxes"])
def test_pycocotools_reads_the_complete_file(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "instances.json"
    path.write_bytes(b"".join(iter_instances(lambda: rows, Instances(INFO, CATEGORIES))))
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = COCO(str(path))
    for annotation in loaded.loadAnns(loaded.getAnnIds()):
        assert loaded.annToMask(annotation).sum() == annotation["area"]
        assert loaded.loadCats(annotation["category_id"])[0]["name"]
        assert loaded.loadImgs(annotation["image_id"])[0]["width"] == SIZE[1]
