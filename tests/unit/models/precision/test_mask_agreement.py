from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet_models.precision.mask_agreement import (
    ImageAgreement,
    compare_images,
    figures_of,
    pair_ious,
    unusable_scores,
)

SIDE = 20


def stripe(left: int, right: int, prompt_index: int | None = None) -> MaskRecord:
    """Return the columns `left` to `right` of a square image; IoUs are ratios of widths."""
    bits = np.zeros((SIDE, SIDE), dtype=np.bool_)
    bits[:, left:right] = True
    area = SIDE * (right - left)
    return MaskRecord(encode_mask(bits), (SIDE, SIDE), area, (left, 0, right, SIDE), 0.9, 0.95, prompt_index)


def compared(
    reference: Sequence[MaskRecord],
    candidate: Sequence[MaskRecord],
    boxed: tuple[Sequence[MaskRecord], Sequence[MaskRecord]] = ((), ()),
) -> ImageAgreement:
    return compare_images("a.png", (reference, candidate), boxed)


def test_the_best_pair_is_matched_first_and_a_mask_only_once() -> None:
    # a-x 0.9, a-y 1.0, b-x 1.0 would be lost when matching in the order of the masks
    a, b = stripe(0, 10), stripe(0, 9)
    assert pair_ious([a, b], [replace(b), replace(a)]) == [1.0, 1.0]
    assert pair_ious([a], [a, a, b]) == [1.0]
    assert pair_ious([stripe(0, 10), stripe(0, 8)], [stripe(0, 9)]) == [pytest.approx(0.9)]


def test_masks_with_an_iou_below_one_half_are_not_paired() -> None:
    assert pair_ious([stripe(0, 10)], [stripe(6, 16)]) == []
    assert pair_ious([stripe(0, 10)], [stripe(0, 5)]) == [pytest.approx(0.5)]


def test_extra_and_missing_masks_lower_the_agreement() -> None:
    mask = stripe(0, 10)
    assert compared([mask], [mask, stripe(10, 20)]).share == 0.5
    assert compared([mask, stripe(10, 20)], [mask]).share == 0.5
    assert compared([mask], [stripe(0, 8)]).share == 0.0


def test_two_empty_sets_of_masks_agree() -> None:
    assert compared([], []).share == 1.0
    assert compared([stripe(0, 3)], []).share == 0.0


def test_empty_masks_on_both_sides_agree() -> None:
    assert pair_ious([stripe(3, 3)], [stripe(5, 5)]) == [1.0]
    assert pair_ious([stripe(3, 3)], [stripe(3, 4)]) == []


def test_boxes_are_compared_per_prompt() -> None:
    asked = [stripe(0, 10, 0), stripe(10, 20, 1)]
    assert compared([], [], (asked, [asked[1], stripe(0, 5, 0)])).boxes == pytest.approx((0.5, 1.0))
    assert compared([], [], (asked, asked[:1])).boxes == (1.0, 0.0)


def test_figures_cover_all_images_also_those_with_unequal_counts() -> None:
    images = [
        ImageAgreement("same.png", 8, 8, (1.0,) * 8, (1.0,)),
        ImageAgreement("extra.png", 1, 2, (0.95,), (0.8,)),
        ImageAgreement("none.png", 0, 0, ()),
        ImageAgreement("moved.png", 1, 1, (0.6,), (0.9,)),
    ]
    figures = figures_of(images)
    assert (figures.images, figures.reference_masks, figures.candidate_masks) == (4, 10, 11)
    assert figures.agreeing_share == pytest.approx(9 / 11)
    assert figures.paired_iou == pytest.approx((8 + 0.95 + 0.6) / 10)
    assert figures.count_ratio == pytest.approx(1.1)
    assert figures.boxes == 3
    assert figures.box_iou == pytest.approx(0.9)
    assert figures.box_agreeing_share == pytest.approx(2 / 3)
    assert (figures.worst_image, figures.worst_share) == ("moved.png", 0.0)


def test_figures_of_no_image_show_no_agreement() -> None:
    figures = figures_of([])
    assert (figures.images, figures.agreeing_share, figures.worst_image) == (0, 0.0, "")
    empty = figures_of([ImageAgreement("none.png", 0, 0, ())])
    assert (empty.agreeing_share, empty.count_ratio) == (1.0, 1.0)


def test_nan_scores_are_detected() -> None:
    assert not unusable_scores([stripe(0, 3)])
    assert unusable_scores([stripe(0, 3), replace(stripe(0, 3), predicted_iou=math.nan)])
    assert unusable_scores([replace(stripe(0, 3), stability_score=math.inf)])
