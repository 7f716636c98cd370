"""Exports read by the libraries of the tools they are for, which `make test-tools` installs."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
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
from samfleet.masks.rle import decode_mask

pytestmark = pytest.mark.tools

PYTHON = Path(sys.prefix) / "tools" / "bin" / "python"
READER = Path(__file__).with_name("read_yolo.py")
IMAGES = 20
LARGEST_SLITS = 0.9  # masks in distant parts gain the pixels of the slits; all others keep 0.98


def photographs() -> list[dict[str, Any]]:
    """Return rows with the annotated masks of real photographs."""
    document = json.loads(shared_path("data", "coco_dev", "instances.json").read_bytes())
    rows = []
    for image in document["images"][:IMAGES]:
        size = (image["height"], image["width"])
        shapes = [one["segmentation"] for one in document["annotations"] if one["image_id"] == image["id"]]
        masks = [mask_row(decoded(shape, size)) for shape in shapes]
        rows.append(image_row(image["id"], f"{image['id']}.png", *(m for m in masks if m["area"]), size=size))
    return rows


def decoded(shape: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    drawn = coco_mask.frPyObjects(shape, *size)
    return np.asarray(coco_mask.decode(coco_mask.merge(drawn) if isinstance(shape, list) else drawn)).astype(bool)


def overlaps(rows: list[dict[str, Any]], found: dict[str, list[list[int]]]) -> list[tuple[float, bool]]:
    """Return the IoU of each mask, and True if the mask has one part without holes."""
    made = []
    for row in rows:
        for mask, pixels in zip(row["masks"], found[row["file_name"]], strict=True):
            bits = decode_mask(mask["segmentation"]["counts"], tuple(mask["segmentation"]["size"]))
            again = np.zeros(bits.size, np.bool_)
            again[pixels] = True
            again = again.reshape(bits.shape)
            made.append((float((bits & again).sum() / (bits | again).sum()), is_simple(bits)))
    return made


def is_simple(bits: NDArray[np.bool_]) -> bool:
    from scipy.ndimage import label

    return bool(label(bits)[1] == 1 and label(~np.pad(bits, 1), np.ones((3, 3)))[1] == 1)


def test_supervision_reads_the_masks_of_yolo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = photographs()
    written = b"".join(FORMATS["yolo"].write(source_of(rows), ExportOptions()))
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "images").mkdir()
    for row in rows:
        Image.new("RGB", (row["width"], row["height"])).save(tmp_path / "images" / row["file_name"])
    ended = subprocess.run([PYTHON, READER, tmp_path], capture_output=True, text=True, timeout=250, check=False)
    assert ended.returncode == 0, ended.stderr
    read = json.loads(ended.stdout.splitlines()[-1])
    assert read["classes"] == ["object"]
    assert len(read["images"]) == IMAGES
    made = overlaps(rows, read["images"])
    simple = [overlap for overlap, of_one_part in made if of_one_part]
    every = [overlap for overlap, _ in made]
    with capsys.disabled():
        sys.stdout.write(
            "\nformat  images  masks  lowest IoU of one part  lowest IoU  mean IoU  library\n"
            f"yolo    {IMAGES:6}  {len(every):5}  {min(simple):22.4f}  {min(every):10.4f}  "
            f"{np.mean(every):8.4f}  supervision {read['version']}\n"
        )
    assert min(simple) >= 0.98
    assert min(every) >= LARGEST_SLITS
