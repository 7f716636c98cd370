from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.masks.rle import encode_mask
from samfleet.quality import matching
from samfleet.quality.matching import Match, best_matches
from samfleet.quality.segmentation import Rle

Bits = NDArray[np.bool_]


def boxes(random: np.random.Generator, count: int) -> list[Bits]:
    masks = []
    for _ in range(count):
        bits = np.zeros((40, 60), dtype=np.bool_)
        top, left, height, width = random.integers(0, 30), random.integers(0, 45), *random.integers(3, 12, 2)
        bits[top : top + height, left : left + width] = True
        masks.append(bits)
    return masks


def rle(bits: Bits) -> Rle:
    return {"size": list(bits.shape), "counts": encode_mask(bits)}


def reference(masks: list[Bits], truths: list[Bits]) -> NDArray[np.float64]:
    """Return IoUs [masks, truths] by counting pixels."""
    return np.array([[(a & b).sum() / (a | b).sum() for b in truths] for a in masks])


def test_the_best_on_both_sides_are_those_of_a_count_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MASKS_AT_ONCE", 4)  # several rounds
    random = np.random.default_rng(5)
    masks, truths = boxes(random, 21), boxes(random, 9)
    ious = reference(masks, truths)
    of_masks, of_truths = best_matches([rle(mask) for mask in masks], [rle(truth) for truth in truths])
    assert [0.0 if match is None else match.iou for match in of_masks] == pytest.approx(ious.max(axis=1).tolist())
    assert [0.0 if match is None else match.iou for match in of_truths] == pytest.approx(ious.max(axis=0).tolist())
    for found, axis in ((of_masks, 1), (of_truths, 0)):
        for place, match in enumerate(found):
            assert match is None or match.index == ious.take(place, axis=1 - axis).argmax()


def test_without_one_side_nothing_matches() -> None:
    mask = rle(boxes(np.random.default_rng(1), 1)[0])
    assert best_matches([mask], []) == ([None], [])
    assert best_matches([], [mask]) == ([], [None])
    assert best_matches([mask, mask], [mask]) == ([Match(0, 1.0), Match(0, 1.0)], [Match(0, 1.0)])
