from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fixtures.export_rows import PROVENANCE, SIZE, difficult_rows, image_row, mask_row, shapes, source_of, unzipped
from samfleet.exports.errors import ExportTooManyFiles, ExportTooManyMasks
from samfleet.exports.formats import FORMATS, archive
from samfleet.exports.formats.base import ExportOptions

PNG, PNG_MASKS = FORMATS["png"], FORMATS["png_masks"]
CATS = ({"id": 3, "name": 'cat, "tame"'}, {"id": 9, "name": "dog"})


def pixels(png: bytes) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(png)))


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def dots(count: int, width: int) -> list[dict[str, Any]]:
    """Return masks of one pixel each, side by side."""
    masks = []
    for number in range(count):
        counts = [number, 1, width - number - 1]
        masks.append(mask_row_of_runs(counts, (1, width)))
    return masks


def mask_row_of_runs(counts: list[int], size: tuple[int, int]) -> dict[str, Any]:
    from pycocotools import mask as coco_mask

    packed = coco_mask.frPyObjects({"size": list(size), "counts": counts}, *size)
    segmentation = {"size": list(size), "counts": packed["counts"].decode()}
    fields = {"area": counts[1], "bbox": [counts[0], 0, 0, 0], "predicted_iou": 0.75, "stability_score": 0.5}
    return {"segmentation": segmentation, **fields}


def test_small_masks_are_on_top_of_large_ones_in_any_order() -> None:
    large, small = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    large[2:20, 2:20] = True
    small[5:8, 5:8] = True
    for order in ([small, large], [large, small]):
        source = source_of([image_row(1, "a.jpg", *map(mask_row, order))])
        members = unzipped(PNG, source)
        found = pixels(members["labels/a.png"])
        rows = table(members["labels/a.csv"])
        by_area = {int(row["area"]): row for row in rows}
        assert np.array_equal(found == int(by_area[9]["value"]), small)
        assert np.array_equal(found == int(by_area[324]["value"]), large & ~small)
        assert (by_area[9]["visible"], by_area[324]["visible"]) == ("9", "315")


def test_of_equal_areas_the_later_mask_is_on_top() -> None:
    first, second = np.zeros(SIZE, np.bool_), np.zeros(SIZE, np.bool_)
    first[0:4, 0:4] = second[2:6, 2:6] = True
    found = pixels(unzipped(PNG, source_of([image_row(1, "a.jpg", mask_row(first), mask_row(second))]))["labels/a.png"])
    assert np.array_equal(found == 2, second)


def test_each_image_that_was_read_has_a_label_map() -> None:
    members = unzipped(PNG, source_of(difficult_rows()))
    stems = ["a", "a.png", "sub/a", "sub folder/bild ä", "provenance"]
    expected = [f"labels/{stem}{suffix}" for stem in stems for suffix in (".png", ".csv")]
    assert list(members) == [*expected, "provenance.json"]
    assert json.loads(members["provenance.json"]) == {**PROVENANCE, "renamed": {"a.png": "a.png.png"}}
    assert not pixels(members["labels/sub/a.png"]).any()
    assert table(members["labels/sub/a.csv"]) == []


def test_an_empty_mask_has_a_value_that_no_pixel_has() -> None:
    members = unzipped(PNG, source_of(difficult_rows()))
    rows = table(members["labels/a.csv"])
    assert [row["value"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert (rows[5]["area"], rows[5]["visible"]) == ("0", "0")
    assert set(np.unique(pixels(members["labels/a.png"]))) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize(("count", "mode"), [(255, "L"), (256, "I;16")])
def test_the_255th_mask_is_the_last_of_8_bits(count: int, mode: str) -> None:
    members = unzipped(PNG, source_of([image_row(1, "a.jpg", *dots(count, 300), size=(1, 300))]))
    picture = Image.open(io.BytesIO(members["labels/a.png"]))
    assert picture.mode == mode
    assert np.asarray(picture)[0, :count].tolist() == list(range(1, count + 1))


def image_of(masks: int) -> list[dict[str, Any]]:
    dot = mask_row_of_runs([0, 1, 1], (1, 2))
    return [image_row(1, "few.jpg"), image_row(2, "sub/many.jpg", *[dot] * masks, size=(1, 2))]


def test_65536_masks_of_one_image_fail_the_export() -> None:
    with pytest.raises(ExportTooManyMasks, match=r"'sub/many\.jpg' has 65536 masks.*min_area"):
        list(PNG.write(source_of(image_of(65_536)), ExportOptions()))


@pytest.mark.heavy
def test_65535_masks_of_one_image_have_a_value_each() -> None:
    found = dict(members_of_png(image_of(65_535)))
    assert pixels(found["labels/sub/many.png"]).tolist() == [[65_535, 0]]


def members_of_png(rows: list[dict[str, Any]]) -> Any:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(b"".join(PNG.write(source_of(rows), ExportOptions())))) as found:
        for name in found.namelist():
            yield name, found.read(name)


def test_each_mask_has_a_png_of_one_bit() -> None:
    members = unzipped(PNG_MASKS, source_of(difficult_rows()))
    for number, bits in enumerate(shapes().values()):
        picture = Image.open(io.BytesIO(members[f"masks/a/{number}.png"]))
        assert picture.mode == "1"
        assert np.array_equal(np.asarray(picture), bits)
    folders = ["a", "a.png", "sub/a", "sub folder/bild ä", "provenance"]
    tables = [name for name in members if name.endswith(".csv")]
    assert tables == [f"masks/{folder}/metadata.csv" for folder in folders]


def test_the_table_of_masks_has_the_columns_of_amg_and_the_category() -> None:
    bits = shapes()["hole"]
    masks = [
        mask_row(bits, category_id=3),
        mask_row(bits, point_coords=[[7.5, 8.25]], crop_box=[0, 0, 40, 30]),
    ]
    members = unzipped(PNG_MASKS, source_of([image_row(1, "a.jpg", *masks)], CATS))
    first, second = table(members["masks/a/metadata.csv"])
    assert (first["id"], first["area"], first["bbox_x0"], first["bbox_w"]) == ("0", "240", "4", "15")
    assert (first["category"], first["point_input_x"], first["crop_box_w"]) == ('cat, "tame"', "", "")
    assert (second["category"], second["point_input_y"], second["crop_box_w"]) == ("object", "8.25", "40")


def test_a_folder_is_never_named_like_a_file_beside_it() -> None:
    one = mask_row(shapes()["hole"])
    members = unzipped(PNG_MASKS, source_of([image_row(1, "a.jpg", one), image_row(2, "a/0.png.jpg", one)]))
    names = [name for name in members if name.endswith(".png")]
    assert names == ["masks/a/0.png", "masks/a/0.png_/0.png"]


def test_a_zip_has_no_more_files_than_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    rows = [image_row(1, "a.jpg", mask_row(shapes()["hole"]))]
    assert len(unzipped(PNG_MASKS, source_of(rows))) == 3
    rows[0]["masks"] *= 2
    with pytest.raises(ExportTooManyFiles, match="more than 3 files"):
        list(PNG_MASKS.write(source_of(rows), ExportOptions()))
