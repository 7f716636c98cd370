from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.masks.pairing import Pair, Rle, iou_table, pair_masks
from samfleet.masks.rle import encode_mask

SIZE = (12, 10)


def random_masks(count: int, seed: int) -> NDArray[np.bool_]:
    """Return rectangles [count, height, width], many of which overlap; the first is empty."""
    random = np.random.default_rng(seed)
    masks = np.zeros((count, *SIZE), dtype=np.bool_)
    for mask in masks[1:]:
        top, left = random.integers(0, 5, 2)
        mask[top : top + random.integers(2, 7), left : left + random.integers(2, 6)] = True
    return masks


def codes(masks: NDArray[np.bool_]) -> list[Rle]:
    return [{"size": list(SIZE), "counts": encode_mask(mask)} for mask in masks]


def reference(first: NDArray[np.bool_], second: NDArray[np.bool_], least: float) -> list[Pair]:
    """The definition, pixel by pixel: take the best pair that is left until none has the least IoU."""
    left = []
    for a, mask_a in enumerate(first):
        for b, mask_b in enumerate(second):
            union = int((mask_a | mask_b).sum())
            left.append(Pair(a, b, int((mask_a & mask_b).sum()) / union if union else 1.0))
    found = []
    while left := [pair for pair in left if pair.iou >= least]:
        best = max(left, key=lambda pair: (pair.iou, -pair.first, -pair.second))
        found.append(best)
        left = [pair for pair in left if pair.first != best.first and pair.second != best.second]
    return found


@pytest.mark.parametrize("at_once", [1, 7, 64])
@pytest.mark.parametrize("least", [0.2, 0.5, 0.9])
def test_pairs_are_those_of_the_pixels(monkeypatch: pytest.MonkeyPatch, at_once: int, least: float) -> None:
    monkeypatch.setattr("samfleet.masks.pairing.MASKS_AT_ONCE", at_once)
    first, second = random_masks(30, 1), random_masks(25, 2)
    found, wanted = pair_masks(codes(first), codes(second), least), reference(first, second, least)
    assert [pair[:2] for pair in found] == [pair[:2] for pair in wanted]
    assert [pair.iou for pair in found] == pytest.approx([pair.iou for pair in wanted], abs=1e-12)
    assert wanted[0] == Pair(0, 0, 1.0)  # both are empty


def test_no_mask_has_a_pair_with_none() -> None:
    some = codes(random_masks(3, 1))
    assert pair_masks(some, [], 0.5) == pair_masks([], some, 0.5) == []
    assert iou_table([], some).shape == (0, 3)


def test_masks_of_different_sizes_show_nothing_in_common() -> None:
    whole = np.ones(SIZE, dtype=np.bool_)
    other: Rle = {"size": [5, 4], "counts": encode_mask(np.ones((5, 4), dtype=np.bool_))}
    assert iou_table(codes(whole[None]), [other]).tolist() == [[0.0]]
    assert pair_masks(codes(whole[None]), [other], 0.01) == []
