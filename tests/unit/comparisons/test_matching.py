from __future__ import annotations

from typing import Any

import pytest

from fixtures.worker.compared_runs import Stripe, code
from samfleet.comparisons.matching import agreement, masks_in_groups, match_masks


def masks(*stripes: Stripe) -> list[dict[str, Any]]:
    return [{"segmentation": code(*one), "area": 1} for one in stripes]


def test_masks_are_the_same_changed_lost_or_gained() -> None:
    reference = masks((0, 4), (4, 14), (16, 18))
    found = match_masks(reference, masks((4, 12), (0, 4), (18, 20)))
    assert [(pair.first, pair.second) for pair in found.pairs] == [(0, 1), (1, 0)]
    assert [pair.iou for pair in found.pairs] == [1.0, pytest.approx(0.8)]
    assert (list(found.lost), list(found.gained), found.changed) == ([2], [2], 1)
    assert found.iou_sum == pytest.approx(1.8)


def test_images_without_masks_agree() -> None:
    found = match_masks([], [])
    assert (found.pairs, found.lost, found.gained, agreement(found.iou_sum, 0, 0)) == ([], [], [], 1.0)
    assert match_masks([], masks((0, 3))).gained == [0]
    assert agreement(0.0, 0, 1) == 0.0


def test_agreement_is_panoptic_quality() -> None:
    pairs, lost, gained, iou_sum = 3, 2, 1, 2.4
    expected = iou_sum / (pairs + lost / 2 + gained / 2)
    assert agreement(iou_sum, pairs + lost, pairs + gained) == pytest.approx(expected)
    assert agreement(iou_sum, pairs + gained, pairs + lost) == pytest.approx(expected)
    assert agreement(3.0000000000000004, 3, 3) == 1.0  # a sum of rounded figures


def test_masks_in_groups_are_those_with_half_of_their_area_in_one() -> None:
    found = masks((0, 4), (2, 6), (3, 7), (10, 12))
    assert masks_in_groups(found, [code(0, 4), code(8, 11)]) == [0, 1, 3]
    assert masks_in_groups(found, []) == masks_in_groups([], [code(0, 4)]) == []
