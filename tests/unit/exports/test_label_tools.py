"""Exports for CVAT, Label Studio and Pascal VOC, read back by code of the tests."""

from __future__ import annotations

import io
import json
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fixtures.export_rows import PROVENANCE, SIZE, difficult_rows, image_row, mask_row, shapes, source_of, unzipped
from samfleet.exports.errors import ExportTooManyClasses, ExportTooManyMasks
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportFormat, ExportOptions, ExportSource
from samfleet.masks.polygons import Corners, drawn
from samfleet.masks.row_runs import brush_rle, row_runs

CVAT, VOC = FORMATS["cvat"], FORMATS["voc"]
BRUSHES, POLYGONS = FORMATS["label_studio"], FORMATS["label_studio_polygons"]
AWKWARD = "a <b> & \"c\" 'd' ä\x01\n"
Bits = NDArray[np.bool_]


def written(form: ExportFormat, source: ExportSource, options: ExportOptions | None = None) -> bytes:
    first, second = (b"".join(form.write(source, options or ExportOptions())) for _ in range(2))
    assert first == second
    return first


def of_runs(runs: list[int], size: tuple[int, int]) -> Bits:
    """Draw row-major runs: unset pixels, set ones, …"""
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(size)


def of_brush(packed: bytes, size: tuple[int, int]) -> Bits:
    """Decode a brush of Label Studio slowly, bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in packed)
    place = 0

    def take(length: int) -> int:
        nonlocal place
        place += length
        return int(bits[place - length : place], 2)

    count, width = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    values: list[int] = []
    while len(values) < count:
        repeated, length = take(1), take(sizes[take(2)]) + 1
        values += [take(width)] * length if repeated else [take(width) for _ in range(length)]
    assert len(bits) - place < 8
    channels = np.array(values, np.uint8).reshape(*size, 4)
    assert np.array_equal(channels.min(axis=2), channels.max(axis=2))
    return np.asarray(channels[:, :, 3] == 255)


@settings(deadline=None)  # a busy machine takes longer now and then
@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_runs_and_brushes_give_any_mask_back(height: int, width: int, data: st.DataObject) -> None:
    flat = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    bits = np.array(flat, np.bool_).reshape(height, width)
    runs = row_runs([bits])
    assert all(run > 0 for run in runs[1:])
    assert np.array_equal(of_runs(runs, (height, width)), bits)
    assert np.array_equal(of_brush(brush_rle([bits]), (height, width)), bits)


@pytest.mark.parametrize("run", [1, 2, 3, 4, 5, 64, 65, 16_384, 16_385, 32_768, 40_000])
@pytest.mark.parametrize("first", [False, True])
def test_brushes_have_runs_of_every_length(run: int, first: bool) -> None:
    bits = np.full((1, run + 1), first, np.bool_)
    bits[0, -1] = not first
    assert np.array_equal(of_brush(brush_rle([bits]), (1, run + 1)), bits)


def cvat_images(xml: bytes) -> list[tuple[Any, list[Bits]]]:
    found = []
    for image in ET.fromstring(xml).iter("image"):
        size = int(image.attrib["height"]), int(image.attrib["width"])
        masks = []
        for mask in image.iter("mask"):
            left, top, width, height = (int(mask.attrib[name]) for name in ("left", "top", "width", "height"))
            bits = np.zeros(size, np.bool_)
            runs = [int(run) for run in mask.attrib["rle"].split(",")]
            bits[top : top + height, left : left + width] = of_runs(runs, (height, width))
            masks.append(bits)
        found.append((image.attrib, masks))
    return found


def test_cvat_has_exact_masks_of_all_kinds_and_no_empty_ones() -> None:
    images = cvat_images(written(CVAT, source_of(difficult_rows())))
    names = [(about["id"], about["name"]) for about, _ in images]
    files = ["a.jpg", "a.png", "sub/a.jpg", "sub folder/bild ä.jpg", "provenance.png"]
    assert names == [(str(number), name) for number, name in enumerate(files)]
    expected = [bits for bits in shapes().values() if bits.any()]
    for found, bits in zip(images[0][1], expected, strict=True):
        assert np.array_equal(found, bits)
    assert images[2][1] == []


def test_xml_holds_any_name() -> None:
    """A control character, which XML cannot hold, is replaced; quotes and line ends stay."""
    rows = [image_row(1, f"{AWKWARD}.jpg", mask_row(shapes()["hole"], category_id=3))]
    root = ET.fromstring(written(CVAT, source_of(rows, ({"id": 3, "name": AWKWARD},))))
    expected = AWKWARD.replace("\x01", "\ufffd")
    [image], [mask] = list(root.iter("image")), list(root.iter("mask"))
    assert (image.attrib["name"], mask.attrib["label"]) == (f"{expected}.jpg", expected)
    assert [name.text for name in root.findall("meta/task/labels/label/name")] == [expected]
    provenance = root.find("meta/provenance")
    assert provenance is not None
    assert json.loads(provenance.text or "") == PROVENANCE


def test_cvat_lists_a_label_of_two_categories_once() -> None:
    masks = [mask_row(shapes()["hole"], category_id=number) for number in (3, 4)]
    categories = ({"id": 3, "name": "cat"}, {"id": 4, "name": "cat"})
    root = ET.fromstring(written(CVAT, source_of([image_row(1, "a.jpg", *masks)], categories)))
    assert [name.text for name in root.findall("meta/task/labels/label/name")] == ["cat"]


@pytest.mark.parametrize("form", [CVAT, BRUSHES, POLYGONS])
def test_runs_without_images_give_readable_files(form: ExportFormat) -> None:
    content = written(form, source_of([image_row(1, "broken.jpg", size=None)]))
    if form is CVAT:
        assert cvat_images(content) == []
    else:
        assert json.loads(content) == []


def test_label_studio_has_exact_brushes() -> None:
    tasks = json.loads(written(BRUSHES, source_of(difficult_rows())))
    files = ["a.jpg", "a.png", "sub/a.jpg", "sub folder/bild ä.jpg", "provenance.png"]
    assert [task["data"] for task in tasks] == [
        {"image": name, "image_id": number} for name, number in zip(files, [1, 2, 3, 4, 6], strict=True)
    ]
    [prediction] = tasks[0]["predictions"]
    assert (prediction["model_version"], tasks[0]["meta"]) == ("mobile_sam", PROVENANCE)
    expected = [bits for bits in shapes().values() if bits.any()]
    for region, bits in zip(prediction["result"], expected, strict=True):
        assert (region["type"], region["original_width"], region["original_height"]) == ("brushlabels", 40, 30)
        assert region["value"]["brushlabels"] == ["object"]
        assert np.array_equal(of_brush(bytes(region["value"]["rle"]), SIZE), bits)
    assert [region["id"] for region in prediction["result"]] == ["1", "2", "3", "4", "5"]
    assert tasks[2]["predictions"][0]["result"] == []


def test_label_studio_has_a_polygon_for_each_part() -> None:
    tasks = json.loads(written(POLYGONS, source_of(difficult_rows())))
    found: dict[str, Bits] = {}
    for region in tasks[0]["predictions"][0]["result"]:
        assert (region["type"], region["value"]["polygonlabels"]) == ("polygonlabels", ["object"])
        ring = np.array(region["value"]["points"]) * (SIZE[1], SIZE[0]) / 100
        number = region["id"].partition("-")[0]
        found[number] = found.get(number, np.zeros(SIZE, np.bool_)) | drawn([ring], SIZE, Corners.EDGES)
    expected = [bits for bits in shapes().values() if bits.any()]
    for again, bits in zip(found.values(), expected, strict=True):
        assert np.array_equal(again, bits)
    ids = [region["id"] for region in tasks[0]["predictions"][0]["result"]]
    assert ids == ["1", "2", "3-1", "3-2", "4", "5"]


def test_label_studio_has_the_id_and_the_metadata_of_a_manifest_as_data_of_the_task() -> None:
    stated = {"external_id": "x-1", "metadata": {"camera": "left"}}
    rows = [image_row(1, "a.jpg", mask_row(shapes()["hole"])) | stated, image_row(2, "b.jpg")]
    first, second = json.loads(written(BRUSHES, source_of(rows)))
    assert first["data"] == {"image": "a.jpg", "image_id": 1, **stated}
    assert second["data"] == {"image": "b.jpg", "image_id": 2}


def test_voc_has_the_id_of_a_manifest_in_its_source() -> None:
    rows = [image_row(1, "a.jpg") | {"external_id": "<1>", "metadata": {"b": 1}}, image_row(2, "b.jpg")]
    members = unzipped(VOC, source_of(rows))
    first, second = (ET.fromstring(members[f"Annotations/{name}.xml"]).find("source") for name in ("a", "b"))
    assert first is not None
    assert second is not None
    assert [(one.tag, one.text) for one in first] == [("database", "samfleet"), ("image", "<1>")]
    assert [(one.tag, one.text) for one in second] == [("database", "samfleet")]


def values_of(png: bytes) -> tuple[NDArray[Any], list[int]]:
    picture = Image.open(io.BytesIO(png))
    assert picture.mode == "P"
    return np.asarray(picture), picture.getpalette() or []


def test_voc_has_boxes_and_label_maps_in_its_colours() -> None:
    members = unzipped(VOC, source_of(difficult_rows()))
    stems = ["a", "a.png", "sub/a", "sub folder/bild ä", "provenance"]
    assert [name for name in members if name.startswith("Annotations/")] == [f"Annotations/{one}.xml" for one in stems]
    assert members["ImageSets/Segmentation/default.txt"].decode().splitlines() == stems
    root = ET.fromstring(members["Annotations/a.xml"])
    corners = [[int(side.text or "") for side in box] for box in root.iter("bndbox")]
    assert corners == [[1, 1, 40, 12], [5, 5, 20, 20], [3, 3, 35, 25], [40, 30, 40, 30], [3, 4, 30, 4]]
    objects, palette = values_of(members["SegmentationObject/a.png"])
    assert palette[:15] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128]
    assert set(np.unique(objects)) == {0, 1, 2, 3, 4, 5}
    classes, _ = values_of(members["SegmentationClass/a.png"])
    assert np.array_equal(classes == 1, objects > 0)
    assert members["labelmap.txt"].decode().splitlines()[1:] == ["background:0,0,0::", "object:128,0,0::"]


def test_voc_names_each_class_once_and_so_that_its_list_can_hold_it() -> None:
    names = ["dog: big", "#1", "dog big", "background", "\n"]
    categories = tuple({"id": number, "name": name} for number, name in enumerate(names))
    masks = [mask_row(shapes()["hole"], category_id=number) for number in range(5)]
    members = unzipped(VOC, source_of([image_row(1, "a.jpg", *masks)], categories))
    expected = ["dog big", "1", "dog big 2", "background 2", "unnamed"]
    listed = [line.partition(":")[0] for line in members["labelmap.txt"].decode().splitlines()[2:]]
    assert listed == expected
    root = ET.fromstring(members["Annotations/a.xml"])
    assert [name.text for name in root.findall("object/name")] == expected


def test_voc_tells_254_objects_apart() -> None:
    one = mask_row(shapes()["pixel"])
    rows = [image_row(1, "a.jpg", *[one] * 254)]
    assert values_of(unzipped(VOC, source_of(rows))["SegmentationObject/a.png"])[0][29, 39] == 254
    rows[0]["masks"].append(one)
    with pytest.raises(ExportTooManyMasks, match=r"'a\.jpg' has 255 masks, and Pascal VOC tells 254 apart"):
        list(VOC.write(source_of(rows), ExportOptions()))


def test_voc_tells_254_classes_apart() -> None:
    categories = tuple({"id": number, "name": f"c{number}"} for number in range(255))
    rows = [image_row(1, "a.jpg", mask_row(shapes()["pixel"], category_id=0))]
    assert "c253:" in unzipped(VOC, source_of(rows, categories[:254]))["labelmap.txt"].decode()
    with pytest.raises(ExportTooManyClasses, match="255 classes"):
        list(VOC.write(source_of(rows, categories), ExportOptions()))
    assert unzipped(VOC, source_of(rows, categories), ExportOptions(one_class=True))
