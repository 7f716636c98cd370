"""Large images in tiles through the whole real stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as rle

from fixtures.servers.running_stack import FIXED, Samfleet

SIZE = (3000, 2000)  # width, height: 4 x 3 tiles
TILED = ("--tile-size", 1024, "--tile-overlap", 128)
BACKGROUND = (40, 60, 50)
# Boxes (x0, y0, x1, y1) of discs: inside a tile, across one seam, across the corner of four tiles.
DISCS = ((200, 150, 500, 450), (800, 250, 1150, 600), (1450, 750, 1850, 1150), (2300, 1350, 2700, 1750))
COLOURS = ((230, 200, 60), (220, 80, 60), (90, 160, 240), (240, 240, 240))
LEAST_IOU = 0.95


def write_picture(folder: Path) -> list[NDArray[np.bool_]]:
    """Write the picture and return the discs as masks [height, width]."""
    folder.mkdir()
    picture = Image.new("RGB", SIZE, BACKGROUND)
    shapes = []
    for box, colour in zip(DISCS, COLOURS, strict=True):
        ImageDraw.Draw(picture).ellipse(box, fill=colour)
        shape = Image.new("1", SIZE)
        ImageDraw.Draw(shape).ellipse(box, fill=1)
        shapes.append(np.asarray(shape))
    picture.save(folder / "field.png")
    return shapes


def segment(samfleet: Samfleet, tmp_path: Path, variant: str, *options: object) -> list[dict[str, Any]]:
    """Segment the picture in tiles and return its masks, which have the size of the image."""
    out = tmp_path / "out"
    finished = samfleet("segment", tmp_path / "images", "--variant", variant, *TILED, *options, "--out", out)
    assert finished.exit_code == 0, finished.stderr
    (image,) = json.loads((out / "dataset.json").read_text())["images"]
    assert (image["width"], image["height"]) == SIZE
    masks: list[dict[str, Any]] = json.loads((out / f"{variant}.coco.json").read_text())
    assert {tuple(mask["segmentation"]["size"]) for mask in masks} == {SIZE[::-1]}
    return masks


def bits_of(mask: dict[str, Any]) -> NDArray[np.bool_]:
    bits: NDArray[np.bool_] = rle.decode(mask["segmentation"]).astype(bool)
    return bits


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_masks_of_all_tiles_are_in_pixels_of_the_image(samfleet: Samfleet, tmp_path: Path) -> None:
    """`FIXED` finds two squares of 64 pixels in the corner of each tile; those that a seam cuts are left out."""
    write_picture(tmp_path / "images")
    masks = segment(samfleet, tmp_path, FIXED)
    assert sorted(rle.toBbox(mask["segmentation"]).tolist() for mask in masks) == [
        [x, 0, 64, 64] for x in (0, 64, 658 + 64, 1317 + 64, 1976 + 64)
    ]


def test_prompts_on_a_large_image_are_answered_where_they_lie(samfleet: Samfleet, tmp_path: Path) -> None:
    """`FIXED` answers a prompt with its box."""
    write_picture(tmp_path / "images")
    boxes = {"disc": DISCS[0], "on a seam": DISCS[2], "larger than a tile": (100, 300, 2500, 1700)}
    objects = [{"id": name, "prompts": [{"box": list(box)}]} for name, box in boxes.items()]
    (tmp_path / "prompts.jsonl").write_text(json.dumps({"file_name": "field.png", "objects": objects}))
    masks = segment(samfleet, tmp_path, FIXED, "--task", "file", "--prompts", tmp_path / "prompts.jsonl")
    assert [mask["object_id"] for mask in masks] == list(boxes)
    for mask, (x0, y0, x1, y1), least in zip(masks, boxes.values(), (1.0, 1.0, 0.99), strict=True):
        expected = np.zeros(SIZE[::-1], dtype=bool)
        expected[y0:y1, x0:x1] = True
        assert iou(bits_of(mask), expected) >= least
        assert mask["prompt_box"] == [x0, y0, x1 - x0, y1 - y0]


@pytest.mark.heavy
def test_each_object_is_one_mask_wherever_the_seams_run(samfleet: Samfleet, tmp_path: Path) -> None:
    shapes = write_picture(tmp_path / "images")
    masks = [bits_of(mask) for mask in segment(samfleet, tmp_path, "mobile_sam", "--points-per-side", 8)]
    for shape in shapes:
        best = max(iou(mask, shape) for mask in masks)
        assert best >= LEAST_IOU, f"the best IoU of {len(masks)} masks is {best:.3f}"
        within = [mask for mask in masks if (mask & shape).sum() > mask.sum() / 2]
        assert len(within) == 1, f"{len(within)} masks lie in one disc"
