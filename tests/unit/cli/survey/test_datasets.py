from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from samfleet_cli.survey.datasets import DatasetKey, SurveyDatasetIncomplete, prepare_dataset
from samfleet_cli.survey.plan import DatasetSpec

COUNT = 12


def triangle(number: int, image: int, side: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "bbox": [0, 0, side, side],
        "area": side * side / 2,
        "iscrowd": 0,
        "segmentation": [[0, 0, side, 0, 0, side]],
        **more,
    }


@pytest.fixture
def spec(tmp_path: Path) -> DatasetSpec:
    """Twelve images in two folders; images 3 and 4 have only a crowd or a box without a mask, 5 has nothing."""
    folder = tmp_path / "photos"
    names = [f"{'ab'[number % 2]}/{number}.jpg" for number in range(COUNT)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    annotations = []
    for image in range(COUNT):
        if image not in {3, 4, 5}:
            annotations += [triangle(10 * image + side, image, side) for side in (3, 9, 5)]
    annotations += [triangle(301, 3, 9, iscrowd=1), triangle(401, 4, 9, segmentation=[])]
    images = [{"id": number, "file_name": f"{number}.jpg", "width": 20, "height": 10} for number in range(COUNT)]
    file = tmp_path / "instances.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}))
    detections = tmp_path / "vitdet.json"
    detections.write_text("[]")
    return DatasetSpec(images=folder, annotations=file, detections={"vitdet": detections})


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))


def test_a_whole_folder_is_used_as_it_is(spec: DatasetSpec, tmp_path: Path) -> None:
    source = prepare_dataset(spec, DatasetKey("photos", "annotations", None), tmp_path / "out")
    assert (source.path, source.annotations, source.name) == (spec.images, spec.annotations, "photos")
    assert not (tmp_path / "out").exists()
    images = prepare_dataset(spec, DatasetKey("photos", "images", None), tmp_path / "out")
    assert images.annotations is None
    boxes = prepare_dataset(spec, DatasetKey("photos", "vitdet", None), tmp_path / "out")
    assert (boxes.detections, boxes.name) == (spec.detections["vitdet"], "photos, vitdet")


def test_a_sample_is_the_same_on_every_machine_and_depends_on_the_seed(spec: DatasetSpec, tmp_path: Path) -> None:
    key = DatasetKey("photos", "annotations", 5)
    first = prepare_dataset(spec, key, tmp_path / "one")
    again = prepare_dataset(spec, key, tmp_path / "two")
    assert files(first.path) == files(again.path) == ["a/10.jpg", "b/1.jpg", "b/11.jpg", "b/3.jpg", "b/7.jpg"]
    assert all((first.path / name).read_bytes() == name.encode() for name in files(first.path))
    other = prepare_dataset(spec.model_copy(update={"seed": 1}), key, tmp_path / "three")
    assert len(files(other.path)) == 5
    assert files(other.path) != files(first.path)
    assert first.name == "photos, 5 images"


def test_one_box_is_the_largest_object_of_each_annotated_image(spec: DatasetSpec, tmp_path: Path) -> None:
    source = prepare_dataset(spec, DatasetKey("photos", "one_box", None), tmp_path / "out")
    chosen = [image for image in range(COUNT) if image not in {3, 4, 5}]
    assert files(source.path) == sorted(f"{'ab'[image % 2]}/{image}.jpg" for image in chosen)
    assert source.annotations is not None
    content = json.loads(source.annotations.read_text())
    assert [one["image_id"] for one in content["annotations"]] == [one["id"] for one in content["images"]]
    assert sorted((one["id"], one["area"]) for one in content["annotations"]) == [
        (10 * image + 9, 40.5) for image in chosen
    ]
    assert content["images"][0] == {"id": 0, "file_name": "a/0.jpg", "height": 10, "width": 20}
    assert content["categories"] == [{"id": 1, "name": "x"}]


def test_preparing_again_changes_nothing(spec: DatasetSpec, tmp_path: Path) -> None:
    key = DatasetKey("photos", "one_box", 4)
    first = prepare_dataset(spec, key, tmp_path / "out")
    assert first.annotations is not None
    before = files(first.path), first.annotations.read_text()
    again = prepare_dataset(spec, key, tmp_path / "out")
    assert again == first
    assert (files(first.path), first.annotations.read_text()) == before
    assert len(before[0]) == 4


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        (DatasetKey("photos", "yolov8", None), {}, "no detections of yolov8"),
        (DatasetKey("photos", "one_box", None), {"annotations": None}, "no annotations"),
        (DatasetKey("photos", "annotations", None), {"images": Path("/nowhere")}, "no folder of images"),
    ],
)
def test_missing_files_are_named(
    spec: DatasetSpec, tmp_path: Path, key: DatasetKey, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(SurveyDatasetIncomplete, match=message):
        prepare_dataset(spec.model_copy(update=change), key, tmp_path / "out")
