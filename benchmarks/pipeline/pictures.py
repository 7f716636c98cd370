"""Many small pictures, as links to a few files, and boxes in them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

LINKS = 10_000  # to one file; a file has at most 65,000


def write_pictures(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Write `count` JPEG files of (width, height) and return their paths."""
    folder.mkdir()
    paths = [folder / f"{number:07}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        first = paths[number - number % LINKS]
        if path == first:
            Image.linear_gradient("L").resize(size).convert("RGB").save(path)
        else:
            os.link(first, path)
    return paths


def boxes_of(size: tuple[int, int], count: int) -> list[tuple[float, float, float, float]]:
    """Return `count` boxes (x0, y0, x1, y1) of half a picture's width and height, from its left to its right."""
    width, height = size
    step = width / 2 / max(1, count - 1)
    return [(step * number, height / 4, step * number + width / 2, height * 3 / 4) for number in range(count)]


def write_annotations(path: Path, files: Sequence[Path], size: tuple[int, int], boxes: int) -> Path:
    """Write a COCO file in which each picture has these boxes, as rectangles."""
    width, height = size
    images = [
        {"id": number + 1, "file_name": file.name, "width": width, "height": height}
        for number, file in enumerate(files)
    ]
    objects = [
        {
            "id": number * boxes + place + 1,
            "image_id": number + 1,
            "category_id": 1,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": (x1 - x0) * (y1 - y0),
            "iscrowd": 0,
            "segmentation": [[x0, y0, x1, y0, x1, y1, x0, y1]],
        }
        for number in range(len(files))
        for place, (x0, y0, x1, y1) in enumerate(boxes_of(size, boxes))
    ]
    content = {"images": images, "annotations": objects, "categories": [{"id": 1, "name": "box"}]}
    path.write_text(json.dumps(content))
    return path
