from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from benchmarks.mask_comparison import MaskComparison, compare_masks


def rows(first: int, last: int, size: tuple[int, int] = (100, 10)) -> dict[str, Any]:
    mask = np.zeros(size, dtype=np.uint8)
    mask[first:last] = 1
    code = coco_mask.encode(np.asfortranarray(mask))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}


def test_equal_masks_are_paired_in_any_order() -> None:
    uncompressed = {"size": [100, 10], "counts": [0, *([50, 50] * 10)]}  # rows 0 to 49
    found = compare_masks([[rows(0, 50), rows(60, 90)]], [[rows(60, 90), uncompressed]])
    assert found == MaskComparison(ours=2, theirs=2, equal=2, least_iou=1.0, mean_iou=1.0)
    assert found.share == 1.0


def test_the_share_is_of_the_larger_side_and_an_iou_below_the_limit_is_not_equal() -> None:
    ours, theirs = [[rows(0, 100), rows(0, 50)]], [[rows(0, 98), rows(0, 50), rows(50, 60)]]
    found = compare_masks(ours, theirs)
    assert (found.ours, found.theirs, found.equal) == (2, 3, 1)
    assert found.least_iou == pytest.approx(0.98)
    assert found.mean_iou == pytest.approx(0.99)
    assert found.share == pytest.approx(1 / 3)


def test_a_mask_is_in_one_pair_only() -> None:
    assert compare_masks([[rows(0, 50)]], [[rows(0, 50), rows(0, 50)]]).equal == 1


def test_masks_of_other_images_are_not_paired() -> None:
    assert compare_masks([[rows(0, 50)], []], [[], [rows(0, 50)]]).equal == 0


def test_sides_without_masks_are_equal() -> None:
    assert compare_masks([[]], [[]]) == MaskComparison(0, 0, 0, None, None)
    assert compare_masks([[]], [[]]).share == 1.0


def test_other_sizes_are_an_error() -> None:
    with pytest.raises(ValueError, match="masks of one image have the sizes"):
        compare_masks([[rows(0, 50)]], [[rows(0, 50, (50, 20))]])
    with pytest.raises(ValueError, match="shorter"):
        compare_masks([[]], [])
