"""Result files in the forms in which detectors of COCO are published."""

from __future__ import annotations

import io
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from samfleet.datasets.annotations import CocoInstances, read_annotations
from samfleet.datasets.detections import DetectionsInvalid
from samfleet_cli.survey.detections import category_numbers, prepare_detections

ABSENT = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # ids that COCO's 80 categories leave out of 1 to 90
COCO_IDS = [number for number in range(1, 91) if number not in ABSENT]


def annotated(images: int) -> CocoInstances:
    document = {
        "images": [{"id": number, "file_name": f"{number}.jpg"} for number in range(images)],
        "annotations": [],
        "categories": [{"id": number, "name": str(number)} for number in COCO_IDS],
    }
    return read_annotations(partial(io.BytesIO, json.dumps(document).encode()))


def result(image: int, category: int, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, "bbox": [1.5, 2, 3, 4], "score": 0.5, **more}


def written(tmp_path: Path, entries: list[dict[str, Any]]) -> Path:
    path = tmp_path / "coco_vitdet.json"
    path.write_text(json.dumps(entries))
    return path


def test_a_published_file_is_used_as_it_is(tmp_path: Path) -> None:
    masks = {"segmentation": {"size": [9, 9], "counts": "01"}}  # detectron2 writes the detector's masks too
    path = written(tmp_path, [result(number % 3, category, **masks) for number, category in enumerate(COCO_IDS)])
    assert prepare_detections(path, annotated(3), tmp_path / "out") == path
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_of_eighty_categories_become_ids(tmp_path: Path, first: int) -> None:
    path = written(tmp_path, [result(0, first + place) for place in range(80)])
    made = json.loads(prepare_detections(path, annotated(1), tmp_path / "out").read_text())
    assert [one["category_id"] for one in made] == COCO_IDS
    assert all(one | {"category_id": 0} == result(0, 0) for one in made)


def test_boxes_of_images_outside_the_sample_are_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, [result(number, 90, score=number / 10) for number in (0, 7, 1, 8, 0)])
    made = json.loads(prepare_detections(path, annotated(2), tmp_path / "out").read_text())
    assert [(one["image_id"], one["score"]) for one in made] == [(0, 0.0), (1, 0.1), (0, 0.0)]


@pytest.mark.parametrize(
    ("categories", "message"),
    [
        ([1, 91], "category_id 91 is neither an id of the annotations' 80 categories nor their place"),
        ([0, 80], "category_id 0 is neither an id"),
        ([12, 26], "does not show whether they begin at 0 or at 1"),
    ],
)
def test_ids_that_cannot_be_translated_for_certain_are_refused(
    tmp_path: Path, categories: list[int], message: str
) -> None:
    path = written(tmp_path, [result(0, category) for category in categories])
    with pytest.raises(DetectionsInvalid, match=message) as caught:
        prepare_detections(path, annotated(1), tmp_path / "out")
    assert str(path) in caught.value.message
    assert not (tmp_path / "out").exists()


def test_ids_of_the_annotations_are_never_translated() -> None:
    assert category_numbers({0, 2}, [0, 1, 2]) == {}
    assert category_numbers({5, 1}, []) == {}
    assert category_numbers({0, 1}, [3, 7]) == {0: 3, 1: 7}
