from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fixtures.export_rows import (
    PROVENANCE,
    SIZE,
    difficult_rows,
    image_row,
    mask_row,
    shapes,
    source_of,
    unzipped,
)
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.archive import MemberNames
from samfleet.exports.formats.base import ExportOptions
from samfleet.masks.rle import decode_mask

YOLO, LABELME, SA1B = FORMATS["yolo"], FORMATS["labelme"], FORMATS["sa1b"]
CATS = ({"id": 3, "name": "cat"}, {"id": 9, "name": "dog: big"})
Bits = NDArray[np.bool_]


def filled(points: list[tuple[float, float]], whole: Callable[[float], int] = int) -> Bits:
    picture = Image.new("1", SIZE[::-1])
    ImageDraw.Draw(picture).polygon([(whole(x), whole(y)) for x, y in points], fill=1, outline=1)
    return np.asarray(picture)


def yolo_masks(text: bytes, whole: Callable[[float], int] = int) -> list[tuple[int, Bits]]:
    found = []
    for line in text.decode().splitlines():
        number, *shares = line.split()
        pairs = np.array(shares, float).reshape(-1, 2) * SIZE[::-1]
        found.append((int(number), filled([(x, y) for x, y in pairs.tolist()], whole)))
    return found


def labelme_masks(document: dict[str, Any]) -> list[Bits]:
    found: dict[int, Bits] = {}
    for shape in document["shapes"]:
        before = found.get(shape["group_id"], np.zeros(SIZE, np.bool_))
        found[shape["group_id"]] = before | filled([tuple(point) for point in shape["points"]])
    return list(found.values())


def test_yolo_has_a_file_for_each_image_that_was_read() -> None:
    members = unzipped(YOLO, source_of(difficult_rows()))
    assert list(members) == [
        "labels/a.txt",
        "labels/a.png.txt",
        "labels/sub/a.txt",
        "labels/sub folder/bild ä.txt",
        "labels/provenance.txt",
        "data.yaml",
        "provenance.json",
    ]
    assert members["labels/sub/a.txt"] == b""
    assert json.loads(members["provenance.json"]) == {**PROVENANCE, "renamed": {"a.png": "a.png.txt"}}
    assert yaml.safe_load(members["data.yaml"])["names"] == {0: "object"}


@pytest.mark.parametrize("whole", [int, round])
def test_yolo_polygons_fill_as_the_masks(whole: Callable[[float], int]) -> None:
    """A mask in parts gets the pixels of the slit between them too; an empty mask has no line.

    Ultralytics truncates corners, and supervision rounds them.
    """
    found = yolo_masks(unzipped(YOLO, source_of(difficult_rows()))["labels/a.txt"], whole)
    for (number, again), (name, bits) in zip(found, list(shapes().items())[:5], strict=True):
        assert number == 0
        assert (again & bits).sum() == bits.sum()
        assert (again & ~bits).sum() <= (12 if name == "parts" else 0)


@pytest.mark.parametrize("form", [YOLO, LABELME, SA1B])
def test_a_run_without_images_gives_a_readable_file(form: Any) -> None:
    members = unzipped(form, source_of([]))
    assert json.loads(members["provenance.json"]) == PROVENANCE


def test_classes_are_the_datasets_then_unlisted_ones_then_that_of_masks_without_one() -> None:
    bits = shapes()["border"]
    masks = [mask_row(bits, category_id=9), mask_row(bits), mask_row(bits, category_id=44)]
    source = source_of([image_row(1, "a.jpg", *masks)], CATS)
    members = unzipped(YOLO, source, ExportOptions(category_name="thing"))
    assert yaml.safe_load(members["data.yaml"])["names"] == {0: "cat", 1: "dog: big", 2: "category 44", 3: "thing"}
    assert [number for number, _ in yolo_masks(members["labels/a.txt"])] == [1, 3, 2]


def test_one_class_replaces_all_categories() -> None:
    source = source_of([image_row(1, "a.jpg", mask_row(shapes()["border"], category_id=9))], CATS)
    members = unzipped(YOLO, source, ExportOptions(one_class=True, category_name="thing"))
    assert yaml.safe_load(members["data.yaml"])["names"] == {0: "thing"}
    assert yolo_masks(members["labels/a.txt"])[0][0] == 0


def test_the_dataset_categories_do_not_apply_to_masks_without_one() -> None:
    source = source_of([image_row(1, "a.jpg", mask_row(shapes()["border"]))], CATS)
    assert yaml.safe_load(unzipped(YOLO, source)["data.yaml"])["names"] == {0: "object"}


def test_small_and_uncertain_masks_are_left_out() -> None:
    bits = shapes()
    masks = [mask_row(bits["pixel"]), mask_row(bits["border"], predicted_iou=0.5), mask_row(bits["hole"])]
    members = unzipped(YOLO, source_of([image_row(1, "a.jpg", *masks)]), ExportOptions(min_area=2, min_score=0.6))
    [(_, again)] = yolo_masks(members["labels/a.txt"])
    assert np.array_equal(again, bits["hole"])


def test_labelme_polygons_fill_as_the_masks() -> None:
    members = unzipped(LABELME, source_of(difficult_rows()))
    document = json.loads(members["a.json"])
    assert (document["imageHeight"], document["imageWidth"], document["imagePath"]) == (*SIZE, "a.jpg")
    found = labelme_masks(document)
    for again, bits in zip(found, list(shapes().values())[:5], strict=True):
        assert np.array_equal(again, bits)


def test_labelme_files_have_the_id_and_the_metadata_of_a_manifest() -> None:
    stated = {"external_id": "x-1", "metadata": {"camera": "left"}}
    members = unzipped(LABELME, source_of([image_row(1, "a.jpg") | stated, image_row(2, "b.jpg")]))
    first, second = (json.loads(members[name]) for name in ("a.json", "b.json"))
    assert {name: first[name] for name in stated} == stated
    assert set(first) - set(second) == set(stated)


def test_labelme_files_have_the_names_of_their_images() -> None:
    members = unzipped(LABELME, source_of(difficult_rows()))
    assert list(members) == [
        "a.json",
        "a.png.json",
        "sub/a.json",
        "sub folder/bild ä.json",
        "provenance.png.json",
        "provenance.json",
    ]
    assert json.loads(members["sub/a.json"])["shapes"] == []
    assert json.loads(members["sub folder/bild ä.json"])["imagePath"] == "bild ä.jpg"


def test_labelme_labels_are_category_names() -> None:
    source = source_of([image_row(1, "a.jpg", mask_row(shapes()["border"], category_id=9))], CATS)
    [shape] = json.loads(unzipped(LABELME, source)["a.json"])["shapes"]
    assert (shape["label"], shape["shape_type"], shape["group_id"]) == ("dog: big", "polygon", 1)


OF_PROMPT = {"object_id": "jar 1", "object_prompt": 0, "prompt_box": [0, 0, 40, 30]}


def test_prompted_masks_are_outlines_whose_box_is_that_of_the_mask() -> None:
    """Ultralytics and supervision make boxes of polygons, so a line for the prompt would be another object."""
    hole, parts = (mask_row(shapes()[name], category_id=9, **OF_PROMPT) for name in ("hole", "parts"))
    source = source_of([image_row(1, "a.jpg", hole, parts)], CATS)
    lines = unzipped(YOLO, source)["labels/a.txt"].decode().splitlines()
    boxes = []
    for line in lines:
        corners = np.array(line.split()[1:], float).reshape(-1, 2) * SIZE[::-1]
        boxes.append([*np.floor(corners.min(0)).astype(int).tolist(), *np.ceil(corners.max(0)).astype(int).tolist()])
    assert boxes == [[4, 4, 20, 20], [2, 2, 35, 25]]
    found = json.loads(unzipped(LABELME, source)["a.json"])["shapes"]
    assert [shape["group_id"] for shape in found] == [1, 2, 2]
    assert all({name: shape[name] for name in OF_PROMPT} == OF_PROMPT for shape in found)
    assert {shape["shape_type"] for shape in found} == {"polygon"}


def test_sa1b_has_exact_masks_and_ids_that_no_other_image_has() -> None:
    members = unzipped(SA1B, source_of(difficult_rows()))
    documents = [json.loads(content) for name, content in members.items() if name != "provenance.json"]
    ids = [one["id"] for document in documents for one in document["annotations"]]
    assert ids == list(range(1, 10))
    first = json.loads(members["annotations/a.json"])
    assert first["image"] == {"image_id": 1, "width": 40, "height": 30, "file_name": "a.jpg"}
    for one, bits in zip(first["annotations"], shapes().values(), strict=True):
        assert np.array_equal(decode_mask(one["segmentation"]["counts"], SIZE), bits)
        assert one["area"] == bits.sum()


def test_names_are_used_once_and_stay_inside_the_archive() -> None:
    names = MemberNames()
    files = ["a.jpg", "A.png", "A.png.tif", "../x.jpg", "/y.jpg", ".hidden", "b", "b.c.jpg"]
    made = [names.name(file, ".txt") for file in files]
    assert made == ["a.txt", "A.png.txt", "A.png.tif.txt", "x.txt", "y.txt", ".hidden.txt", "b.txt", "b.c.txt"]
    assert names.renamed == {"A.png": "A.png.txt", "A.png.tif": "A.png.tif.txt"}
