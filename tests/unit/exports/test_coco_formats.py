from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from fixtures.export_rows import PROVENANCE, difficult_rows, image_row, mask_row, shapes, source_of, unzipped
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportOptions, ExportSource

CATS = ({"id": 1, "name": "cat"}, {"id": 2, "name": "dog"})


def document(form: str, source: ExportSource, options: ExportOptions | None = None) -> Any:
    first, second = (b"".join(FORMATS[form].write(source, options or ExportOptions())) for _ in range(2))
    assert first == second
    return json.loads(first)


def loaded(form: str, source: ExportSource, folder: Path) -> COCO:
    path = folder / "instances.json"
    path.write_text(json.dumps(document(form, source)))
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


@pytest.mark.parametrize("form", ["instances", "coco_polygons"])
def test_pycocotools_fills_masks_of_all_kinds_exactly(form: str, tmp_path: Path) -> None:
    found = loaded(form, source_of(difficult_rows()), tmp_path)
    assert found.getImgIds() == [1, 2, 3, 4, 6]
    expected = [bits for bits in shapes().values() if form == "instances" or bits.any()]
    for one, bits in zip(found.loadAnns(found.getAnnIds(imgIds=[1])), expected, strict=True):
        assert np.array_equal(found.annToMask(one), bits)
        assert one["area"] == bits.sum()
    assert found.getAnnIds(imgIds=[3]) == []


def test_polygons_have_a_list_for_each_part_and_a_slit_for_each_hole() -> None:
    file = document("coco_polygons", source_of(difficult_rows()))
    by_id = {one["id"]: one["segmentation"] for one in file["annotations"]}
    assert [len(by_id[number]) for number in (1, 2, 3, 4, 5)] == [1, 1, 2, 1, 1]
    assert all(len(ring) >= 6 for rings in by_id.values() for ring in rings)
    assert sorted(by_id[4][0]) == sorted([39.0, 29.0, 40.0, 29.0, 40.0, 30.0, 39.0, 30.0])
    assert file["info"]["checkpoint_sha256"] == PROVENANCE["checkpoint_sha256"]


def test_fiftyone_gets_the_file_of_instances_without_empty_masks() -> None:
    members = unzipped(FORMATS["fiftyone"], source_of(difficult_rows()))
    assert list(members) == ["labels.json", "provenance.json"]
    labels, instances = json.loads(members["labels.json"]), document("instances", source_of(difficult_rows()))
    assert [one["area"] for one in labels["annotations"]] == [
        one["area"] for one in instances["annotations"] if one["area"]
    ]
    assert labels["images"] == instances["images"]
    assert labels["info"] == instances["info"]


def test_a_larger_tolerance_gives_polygons_of_fewer_corners() -> None:
    ys, xs = np.mgrid[:90, :90]
    disc = (ys - 45) ** 2 + (xs - 45) ** 2 < 1600
    source = source_of([image_row(1, "a.jpg", mask_row(disc), size=(90, 90))])
    lengths = [
        len(document("coco_polygons", source, ExportOptions(tolerance=tolerance))["annotations"][0]["segmentation"][0])
        for tolerance in (0.0, 1.0)
    ]
    assert lengths[1] < lengths[0] / 2


@pytest.mark.parametrize("form", ["coco", "instances", "coco_polygons"])
def test_masks_without_a_category_get_an_id_that_no_category_has(form: str) -> None:
    bits = shapes()["hole"]
    rows = [image_row(1, "a.jpg", mask_row(bits)), image_row(2, "b.jpg", mask_row(bits, category_id=2))]
    file = document(form, source_of(rows, CATS), ExportOptions(category_name="thing"))
    entries = file if form == "coco" else file["annotations"]
    assert [one["category_id"] for one in entries] == [3, 2]
    if form != "coco":
        assert file["categories"] == [*CATS, {"id": 3, "name": "thing"}]
    alone = document(form, source_of(rows[:1], CATS))
    assert [one["category_id"] for one in (alone if form == "coco" else alone["annotations"])] == [1]


def test_results_and_their_dataset_in_one_zip_are_read_together(tmp_path: Path) -> None:
    rows = difficult_rows()
    members = unzipped(FORMATS["coco_pair"], source_of(rows))
    assert list(members) == ["results.json", "dataset.json", "provenance.json"]
    for name, content in members.items():
        (tmp_path / name).write_bytes(content)
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = COCO(str(tmp_path / "dataset.json"))
        results = dataset.loadRes(str(tmp_path / "results.json"))
    assert dataset.getAnnIds() == []
    whole = loaded("instances", source_of(rows), tmp_path)
    assert dataset.dataset["images"] == whole.dataset["images"]
    assert dataset.dataset["categories"] == whole.dataset["categories"]
    assert [one["segmentation"] for one in results.dataset["annotations"]] == [
        one["segmentation"] for one in whole.dataset["annotations"]
    ]
