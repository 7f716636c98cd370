"""Five images annotated by CVAT's own command and agent, which get them from a double of CVAT's server over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from adapters.tool_process import masks_of, ran, threshold_of
from fixtures.images.scenes import SIZE, write_scenes
from fixtures.servers.running_stack import FIXED, Samfleet
from samfleet.client import Client

pytestmark = pytest.mark.integrations

Bits = NDArray[np.bool_]
WIDTH, HEIGHT = SIZE
IMAGES = 5
LOWEST_OF_POLYGONS = 0.98


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("images"), IMAGES)[0].parent


def annotated(
    samfleet: Samfleet, folder: Path, label_type: str, function: Mapping[str, Any], *options: object
) -> dict[str, Any]:
    wishes = {"function": function, "options": list(map(str, options)), "label_type": label_type}
    found: dict[str, Any] = ran(samfleet, "annotate_in_cvat", wishes, folder)
    return found


def test_masks_reach_cvat_as_they_are(samfleet: Samfleet, folder: Path) -> None:
    expected = masks_of(samfleet, folder.iterdir(), FIXED)
    with Client(state_dir=samfleet.info.state_dir) as client:
        before = sum(1 for _ in client.jobs())
        shapes = annotated(samfleet, folder, "any", {"variant": FIXED})["shapes"]
        assert sum(1 for _ in client.jobs()) == before
    assert [(shape["image"], shape["counts"]) for shape in shapes] == [(one.image, one.counts) for one in expected]
    assert len({shape["image"] for shape in shapes}) == IMAGES


def test_polygons_cover_the_masks_above_the_threshold(samfleet: Samfleet, folder: Path) -> None:
    grid = {"points_per_side": 4}
    found = masks_of(samfleet, folder.iterdir(), "mobile_sam", **grid)
    threshold = threshold_of(found)
    expected = [one for one in found if one.score >= threshold]
    shapes = annotated(
        samfleet,
        folder,
        "polygon",
        {"variant": "mobile_sam", **grid},
        "--conf-threshold",
        threshold,
        "--conv-mask-to-poly",
    )["shapes"]
    assert len(shapes) >= len(expected)
    for image in {one.image for one in found}:
        drawn = [filled(shape["points"]) for shape in shapes if shape["image"] == image]
        masks = [decoded(one.counts) for one in expected if one.image == image]
        assert bool(drawn) == bool(masks)
        for mask in masks:
            assert overlap(mask, united(mask, drawn)) >= LOWEST_OF_POLYGONS


def filled(points: list[float]) -> Bits:
    return np.asarray(coco_mask.decode(coco_mask.frPyObjects([points], HEIGHT, WIDTH)))[:, :, 0].astype(bool)


def united(mask: Bits, drawn: list[Bits]) -> Bits:
    """Return the union of the polygons that lie inside a mask, which may have several parts."""
    inside = [one for one in drawn if (one & mask).sum() >= LOWEST_OF_POLYGONS * one.sum()]
    union: Bits = np.logical_or.reduce([np.zeros_like(mask), *inside])
    return union


def decoded(counts: str) -> Bits:
    return np.asarray(coco_mask.decode({"size": [HEIGHT, WIDTH], "counts": counts.encode()})).astype(bool)


def overlap(one: Bits, other: Bits) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_errors_reach_the_driver_before_anything_is_stored(samfleet: Samfleet, folder: Path) -> None:
    assert annotated(samfleet, folder, "rectangle", {"variant": FIXED}) == {"error": "BadFunctionError", "shapes": []}
    assert annotated(samfleet, folder, "mask", {"variant": "mobilesam"}) == {"error": "variant_unknown", "shapes": []}


def test_clicks_become_masks(samfleet: Samfleet, folder: Path) -> None:
    box = {"obj_bbox": [[40, 30], [120, 90]], "pos_points": [[60, 50]], "neg_points": [[41, 31]]}
    clicks = [
        *({"frame": frame, **box} for frame in range(IMAGES)),
        {"frame": 0, "pos_points": [[200.4, 100.9]]},
        {"frame": 0, "neg_points": [[200, 100]]},
        {"frame": 0, "pos_points": [[1000, 100]]},
    ]
    wishes = {"variant": FIXED, "clicks": clicks}
    *boxed, pointed, negative, outside = ran(samfleet, "click_in_cvat", wishes, folder)
    assert boxed == [{"shapes": [shape_of(40, 30, 120, 90)]}] * IMAGES
    assert pointed == {"shapes": [shape_of(200, 100, 201, 101)]}
    assert negative == {"shapes": []}
    assert outside == {"error": "prompt_outside_image"}


def shape_of(left: int, top: int, right: int, bottom: int) -> dict[str, Any]:
    """Return the shape of what the variant makes of a prompt: the pixels of its box, or the one at its first point."""
    bits = np.zeros((HEIGHT, WIDTH), np.uint8, order="F")
    bits[top:bottom, left:right] = 1
    return {"type": "mask", "counts": coco_mask.encode(bits)["counts"].decode(), "attributes": [[0, 1.0]]}
