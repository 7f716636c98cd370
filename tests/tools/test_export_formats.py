"""Exports read by the libraries of the tools they are for, which `make test-tools` installs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from fixtures.export_rows import image_row, mask_row, source_of
from fixtures.models.shared_data import shared_path
from samfleet.exports.formats import FORMATS
from samfleet.exports.formats.base import ExportOptions
from samfleet.exports.formats.pictures import label_map
from samfleet.masks.bands import bits_in_bands

pytestmark = pytest.mark.tools

PYTHON = Path(sys.prefix) / "tools" / "bin" / "python"
READER = Path(__file__).with_name("read_exports.py")
IMAGES = 20
LOWEST_OF_POLYGONS = 0.98
LOWEST_OF_SLITS = 0.9  # of a mask in distant parts that YOLO joins to one polygon
POLYGONS = ("coco_polygons", "labelme", "label_studio_polygons", "geojson", "gpkg")
PAINTED = ("png", "voc")  # of the masks, what no smaller one covers
PLACE = {"crs": "EPSG:32633", "transform": [0.5, 0.0, 500_000.0, 0.0, -0.5, 5_000_000.0]}  # half a metre a pixel
PICTURES = ("cutouts", "overlays", "contact_sheet")  # no tool reads masks from them


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table; `simple` is the lowest IoU of masks in one part without holes."""

    form: str
    images: int
    masks: int
    simple: float
    lowest: float
    mean: float
    library: str

    def text(self) -> str:
        numbers = f"{self.images:6}  {self.masks:5}  {self.simple:22.4f}  {self.lowest:10.4f}  {self.mean:8.4f}"
        return f"{self.form:21}  {numbers}  {self.library}\n"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Return rows with the annotated masks of real photographs."""
    document = json.loads(shared_path("data", "coco_dev", "instances.json").read_bytes())
    made = []
    for image in document["images"][:IMAGES]:
        size = (image["height"], image["width"])
        shapes = [one["segmentation"] for one in document["annotations"] if one["image_id"] == image["id"]]
        masks = [mask_row(decoded(shape, size)) for shape in shapes]
        stated = {"external_id": f"shelf/{image['id']}", "metadata": {"camera": "left", "place": {"row": 3}}}
        row = image_row(image["id"], f"{image['id']}.png", *(m for m in masks if m["area"]), size=size)
        made.append(row | stated)
    return made


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Line]]:
    """Lines of the formats, printed together after the last test."""
    lines: list[Line] = []
    yield lines
    head = "format                 images  masks  lowest IoU of one part  lowest IoU  mean IoU  library\n"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write("\n" + head + "".join(line.text() for line in lines))


def decoded(shape: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    drawn = coco_mask.frPyObjects(shape, *size)
    return np.asarray(coco_mask.decode(coco_mask.merge(drawn) if isinstance(shape, list) else drawn)).astype(bool)


def is_simple(bits: NDArray[np.bool_]) -> bool:
    from scipy.ndimage import label

    return bool(label(bits)[1] == 1 and label(~np.pad(bits, 1), np.ones((3, 3)))[1] == 1)


def expected_masks(form: str, row: dict[str, Any]) -> list[NDArray[np.bool_]]:
    """Return the masks of an image as the format can hold them."""
    if form not in PAINTED:
        return [np.concatenate(list(bits_in_bands(mask))) for mask in row["masks"]]
    values = np.concatenate(list(label_map(row).bands()))
    return [values == number for number in range(1, len(row["masks"]) + 1)]


def read(form: str, rows: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    if form == "gpkg":
        rows = [row | {"georeference": PLACE} for row in rows]
        (folder / "place.txt").write_text(" ".join(map(str, PLACE["transform"])))
    written = b"".join(FORMATS[form].write(source_of(rows), ExportOptions()))
    if FORMATS[form].extension == "zip":
        with zipfile.ZipFile(io.BytesIO(written)) as archive:
            archive.extractall(folder)
    else:
        (folder / f"export.{FORMATS[form].extension}").write_bytes(written)
    (folder / "images").mkdir()
    for row in rows:
        Image.new("RGB", (row["width"], row["height"])).save(folder / "images" / row["file_name"])
    command = [str(PYTHON), str(READER), form, str(folder)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert ended.returncode == 0, ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return answer


def overlaps(form: str, rows: list[dict[str, Any]], found: dict[str, list[str]]) -> list[tuple[float, bool]]:
    """Return the IoU of each mask, and True if the mask has one part without holes."""
    made = []
    for row in rows:
        expected = expected_masks(form, row)
        for bits, counts in zip(expected, found[Path(row["file_name"]).stem], strict=True):
            again = coco_mask.decode({"size": list(bits.shape), "counts": counts.encode()}).astype(bool)
            union = (bits | again).sum()
            made.append((float((bits & again).sum() / union) if union else 1.0, is_simple(bits)))
    return made


@pytest.mark.parametrize("form", [form for form in FORMATS if form not in PICTURES])
def test_a_tool_reads_the_masks(form: str, rows: list[dict[str, Any]], table: list[Line], tmp_path: Path) -> None:
    answer = read(form, rows, tmp_path)
    shown = [row for row in rows if row["masks"] or form != "parquet"]  # whose rows are masks
    assert set(answer["images"]) == {Path(row["file_name"]).stem for row in shown}
    if answer["stated"] is not None:  # the format has a place for what the manifest says about an image
        stated = {Path(row["file_name"]).stem: [row["external_id"], row["metadata"]] for row in shown if row["masks"]}
        assert {name: answer["stated"][name] for name in stated} == stated
    made = overlaps(form, shown, answer["images"])
    every = [overlap for overlap, _ in made]
    simple = min(overlap for overlap, of_one_part in made if of_one_part)
    table.append(Line(form, len(shown), len(every), simple, min(every), float(np.mean(every)), answer["library"]))
    if form == "yolo":
        assert simple >= LOWEST_OF_POLYGONS
        assert min(every) >= LOWEST_OF_SLITS
    else:
        assert min(every) >= (LOWEST_OF_POLYGONS if form in POLYGONS else 1.0)
