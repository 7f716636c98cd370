"""Complete COCO files of results, read by the tools that users use next, which `make test-tools` installs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samfleet.jobs.coco_files import Instances, iter_instances
from samfleet.masks.rle import encode_mask

pytestmark = pytest.mark.tools

PYTHON = Path(sys.prefix) / "tools" / "bin" / "python"
READER = Path(__file__).with_name("read_coco.py")
SIZE = (30, 40)
CATEGORIES = [{"id": 3, "name": "cat", "supercategory": "animal"}, {"id": 9, "name": "dog"}]
TOOLS = ["supervision", "datumaro", "fiftyone"]
Rectangle = tuple[int, int, int, int]


def mask(area: Rectangle, **fields: Any) -> dict[str, Any]:
    """Return a mask as stored in a part: its box is the official generator's, one pixel smaller."""
    left, top, right, bottom = area
    bits = np.zeros(SIZE, dtype=np.bool_)
    bits[top:bottom, left:right] = True
    return {
        "segmentation": {"size": list(SIZE), "counts": encode_mask(bits)},
        "area": int(bits.sum()),
        "bbox": [left, top, right - left - 1, bottom - top - 1],
        "predicted_iou": 0.75,
        "stability_score": 0.5,
        **fields,
    }


def row(image_id: int, name: str, *masks: dict[str, Any]) -> dict[str, Any]:
    return {"image_id": image_id, "file_name": name, "width": SIZE[1], "height": SIZE[0], "masks": list(masks)}


EVERYTHING = [
    row(5, "a b.png", mask((2, 3, 12, 9)), mask((0, 0, 40, 30))),
    row(6, "nothing.png"),
    row(8, "bild ä.png", mask((4, 4, 5, 20))),
]
PROMPTED = [
    row(5, "a b.png", mask((2, 3, 12, 9), category_id=9)),
    row(6, "c.png", mask((1, 1, 3, 3), category_id=44)),
]


def read(tool: str, rows: list[dict[str, Any]], instances: Instances, folder: Path) -> Any:
    images = folder / "images"
    images.mkdir()
    for one in rows:
        Image.new("RGB", (SIZE[1], SIZE[0])).save(images / one["file_name"])
    file = folder / "mobile_sam.instances.json"
    file.write_bytes(b"".join(iter_instances(lambda: rows, instances)))
    ended = subprocess.run(
        [PYTHON, READER, tool, file, images], capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize("tool", TOOLS)
def test_masks_without_a_class_are_read(tool: str, tmp_path: Path) -> None:
    assert read(tool, EVERYTHING, Instances({"description": "x"}), tmp_path) == {
        "categories": ["object"],
        "images": 3,
        "objects": [
            ["a b.png", "object", [0.0, 0.0, 40.0, 30.0], 1200],
            ["a b.png", "object", [2.0, 3.0, 10.0, 6.0], 60],
            ["bild ä.png", "object", [4.0, 4.0, 1.0, 16.0], 16],
        ],
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_masks_with_the_categories_of_a_dataset_are_read(tool: str, tmp_path: Path) -> None:
    assert read(tool, PROMPTED, Instances({"description": "x"}, CATEGORIES), tmp_path) == {
        "categories": ["cat", "dog", "category 44"],
        "images": 2,
        "objects": [
            ["a b.png", "dog", [2.0, 3.0, 10.0, 6.0], 60],
            ["c.png", "category 44", [1.0, 1.0, 2.0, 2.0], 4],
        ],
    }
