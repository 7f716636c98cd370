from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from samfleet.datasets.segmentation import SegmentationInvalid, check_segmentation, decode_counts

MAX_PIXELS = 100_000_000


def random_mask(seed: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a random mask: HW, uint8, 0 or 1, in runs of all lengths."""
    rng = np.random.default_rng(seed)
    flips = rng.random((37 + seed, 23)) < rng.choice([0.01, 0.1, 0.5])
    return np.asfortranarray((np.cumsum(flips) % 2).reshape(flips.shape).astype(np.uint8))


@pytest.mark.parametrize("seed", range(12))
def test_compressed_counts_decode_as_pycocotools_encodes_them(seed: int) -> None:
    mask = random_mask(seed)
    encoded = coco_mask.encode(mask)
    runs = decode_counts(encoded["counts"].decode())
    assert np.array_equal(np.repeat(np.arange(len(runs)) % 2, runs), mask.reshape(-1, order="F"))


@pytest.mark.parametrize("compressed", [True, False])
def test_the_extent_of_run_lengths_equals_that_of_pycocotools(compressed: bool) -> None:
    encoded = coco_mask.encode(random_mask(5))
    counts = encoded["counts"].decode()
    value = {"size": list(encoded["size"]), "counts": counts if compressed else decode_counts(counts)}
    extent = check_segmentation(value, tuple(encoded["size"]), MAX_PIXELS)
    assert extent.area == coco_mask.area(encoded)
    assert extent.bbox == tuple(coco_mask.toBbox(encoded))


def test_the_extent_of_polygons_covers_all_of_them() -> None:
    extent = check_segmentation([[0, 0, 4, 0, 4, 3], [10, 10, 10, 12, 12, 12, 12, 10.0]], (20, 20), MAX_PIXELS)
    assert extent.bbox == (0, 0, 12, 12)
    assert extent.area == pytest.approx(6 + 4)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "must be a list of polygons or an object"),
        ("text", "must be a list of polygons or an object"),
        ([], "no polygon"),
        ([[1, 2, 3, 4]], "at least three corners"),
        ([[1, 2, 3, 4, 5, 6, 7]], "at least three corners"),
        ([1, 2, 3, 4, 5, 6], "must be a list of x, y"),
        ([[1, 2, 3, 4, 5, "6"]], "not a finite number"),
        ([[1, 2, 3, 4, 5, True]], "not a finite number"),
        ([[1, 2, 3, 4, 5, float("inf")]], "not a finite number"),
        ([[1, 2, 3, float("nan"), 5, 6]], "not a finite number"),
        ([[1, 2, 3, 4, 5, 10**400]], "not a finite number"),
        ({"counts": [4]}, "size must be"),
        ({"size": [2, 2.0], "counts": [4]}, "size must be"),
        ({"size": [0, 2], "counts": []}, "size must be"),
        ({"size": [2, 2, 1], "counts": [4]}, "size must be"),
        ({"size": [2, 2]}, "counts must be"),
        ({"size": [2, 2], "counts": [5]}, "describe 5 pixels, but size"),
        ({"size": [2, 2], "counts": [-1, 5]}, "whole numbers, 0 or more"),
        ({"size": [2, 2], "counts": [2.0, 2]}, "whole numbers, 0 or more"),
        ({"size": [2, 2], "counts": "x"}, "found 'x'"),
        ({"size": [2, 2], "counts": "é"}, "found 'é'"),
        ({"size": [2, 2], "counts": "o" * 40}, "found 'o'"),
        ({"size": [2, 2], "counts": "Q"}, "in the middle"),
        ({"size": [2, 2], "counts": "O"}, "negative"),
        ({"size": [2, 2], "counts": ""}, "describe 0 pixels"),
        ({"size": [70_000, 70_000], "counts": [4_900_000_000]}, "more pixels than the limit"),
    ],
)
def test_undecodable_segmentations_are_refused(value: Any, reason: str) -> None:
    with pytest.raises(SegmentationInvalid, match=reason):
        check_segmentation(value, None, MAX_PIXELS)


def test_run_lengths_must_have_the_size_of_the_image() -> None:
    with pytest.raises(SegmentationInvalid, match=r"which is \[3, 3\]"):
        check_segmentation({"size": [2, 2], "counts": [4]}, (3, 3), MAX_PIXELS)
