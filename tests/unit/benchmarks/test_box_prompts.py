from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.box_prompts import BoxesUnavailable, boxes_case
from benchmarks.cases import BoxedImage, Case


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = ("a.jpg", "none.jpg", "b.jpg")
    dataset = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "annotations": [
            {"image_id": 0, "bbox": [1, 2, 3, 4]},
            {"image_id": 0, "bbox": [0, 0, 1, 1], "iscrowd": 1},
            {"image_id": 2, "bbox": [5, 5, 0.5, 1], "iscrowd": 0},
            {"image_id": 0, "bbox": [2, 2, 2, 2]},
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(dataset))
    (tmp_path / "images").mkdir()
    for name in names:
        (tmp_path / "images" / name).touch()
    return tmp_path


def test_the_case_has_the_boxes_of_annotated_images(folder: Path) -> None:
    first = BoxedImage(str(folder / "images" / "a.jpg"), ((1, 2, 4, 6), (2, 2, 4, 4)))
    second = BoxedImage(str(folder / "images" / "b.jpg"), ((5, 5, 5.5, 6),))
    case = boxes_case(folder, 11)
    assert case == Case("boxes", 3, first.image, (first, second))
    assert case.name == "SegAny, 3 boxes in 2 images"
    assert boxes_case(folder, 1).boxed == (first,)


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "images" / "b.jpg").unlink()
    with pytest.raises(BoxesUnavailable, match=r"images/b\.jpg not found in"):
        boxes_case(folder, 2)
    with pytest.raises(BoxesUnavailable, match=r"instances\.json does not exist"):
        boxes_case(folder / "images", 2)


def test_annotations_without_boxes_are_an_error(folder: Path) -> None:
    (folder / "instances.json").write_text('{"images": [], "annotations": []}')
    with pytest.raises(BoxesUnavailable, match="boxes of images not found"):
        boxes_case(folder, 2)
