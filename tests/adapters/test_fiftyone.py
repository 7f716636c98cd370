"""Five images annotated by FiftyOne's `apply_model`, with mongomock instead of MongoDB."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from adapters.tool_process import masks_of, ran, threshold_of
from fixtures.images.scenes import SIZE, write_scenes
from fixtures.servers.running_stack import FIXED, Samfleet
from samfleet.client import Client

pytestmark = pytest.mark.integrations

IMAGES = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scenes(tmp_path_factory.mktemp("images"), IMAGES)[0].parent


def applied(
    samfleet: Samfleet, folder: Path, model: dict[str, Any], prompts: dict[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    wishes = {"model": model, "prompts": prompts, "apply": {"skip_failures": False, **options}}
    found: dict[str, Any] = ran(samfleet, "annotate_in_fiftyone", wishes, folder)
    return found


@pytest.mark.parametrize("batch_size", [None, 3])
def test_samples_get_the_masks_of_their_images(samfleet: Samfleet, folder: Path, batch_size: int | None) -> None:
    expected = masks_of(samfleet, folder.iterdir(), FIXED)
    with Client(state_dir=samfleet.info.state_dir) as client:
        before = sum(1 for _ in client.jobs())
        found = applied(samfleet, folder, {"variant": FIXED, "label": "jar"}, batch_size=batch_size)
        assert sum(1 for _ in client.jobs()) == before
    assert len(found) == IMAGES
    assert [(image, one["counts"]) for image, masks in found.items() for one in masks] == [
        (one.image, one.counts) for one in expected
    ]
    assert {one["label"] for masks in found.values() for one in masks} == {"jar"}


def test_fiftyone_applies_its_threshold(samfleet: Samfleet, folder: Path) -> None:
    grid = {"points_per_side": 4}
    everything = masks_of(samfleet, folder.iterdir(), "mobile_sam", **grid)
    threshold = threshold_of(everything)
    found = applied(samfleet, folder, {"variant": "mobile_sam", **grid}, batch_size=IMAGES, confidence_thresh=threshold)
    kept = Counter(one.image for one in everything if one.score >= threshold)
    assert {image: len(masks) for image, masks in found.items() if masks} == kept


def test_errors_of_the_server_reach_fiftyone(samfleet: Samfleet, folder: Path) -> None:
    assert applied(samfleet, folder, {"variant": "mobilesam"}) == {"error": "variant_unknown"}


def test_prompts_of_a_field_give_masks_with_their_labels(samfleet: Samfleet, folder: Path) -> None:
    boxes = [["jar", [0.125, 0.125, 0.25, 0.25]], ["lid", [0.9, 0.9, 0.5, 0.5]], ["off", [1.2, 0.1, 0.1, 0.1]]]
    found = applied(samfleet, folder, {"variant": FIXED}, prompts={"boxes": boxes}, prompt_field="prompts")
    expected = [("jar", square(40, 30, 120, 90)), ("lid", square(288, 216, 320, 240))]
    assert [[(one["label"], one["counts"]) for one in masks] for masks in found.values()] == [expected] * IMAGES
    points = [["jar", [[0.5, 0.5], [None, None]]], [None, [[0.25, 0.25]]]]
    found = applied(samfleet, folder, {"variant": FIXED}, prompts={"points": points}, prompt_field="prompts")
    expected = [("jar", square(160, 120, 161, 121)), ("object", square(80, 60, 81, 61))]
    assert [[(one["label"], one["counts"]) for one in masks] for masks in found.values()] == [expected] * IMAGES


def square(left: int, top: int, right: int, bottom: int) -> str:
    bits = np.zeros(SIZE[::-1], np.uint8, order="F")
    bits[top:bottom, left:right] = 1
    return str(coco_mask.encode(bits)["counts"].decode())
