"""Matching of the masks of one image in two runs, and its figures.

Masks are matched by the definition of the numeric gates (`samfleet.masks.pairing`): greedily by falling IoU, down to
0.5. Below it two masks show different objects; from 0.9 on they count as the same (`samfleet.variants.gates`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from samfleet.masks.pairing import Pair, pair_masks
from samfleet.variants.gates import AGREEING_IOU, PAIRED_IOU

Mask = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Matching:
    """Masks of an image in run A and in run B, by their places in the results.

    `pairs` come by falling IoU. `lost` are masks of A without a partner in B, `gained` those of B without one in A.
    """

    pairs: Sequence[Pair]
    lost: Sequence[int]
    gained: Sequence[int]

    @property
    def changed(self) -> int:
        """Return the number of pairs that show the same object with another outline."""
        return sum(is_changed(pair.iou) for pair in self.pairs)

    @property
    def iou_sum(self) -> float:
        return sum(pair.iou for pair in self.pairs)


def match_masks(masks_a: Sequence[Mask], masks_b: Sequence[Mask]) -> Matching:
    """Match the masks of one image; each has a `segmentation`, COCO's compressed RLE."""
    sides = [[mask["segmentation"] for mask in masks] for masks in (masks_a, masks_b)]
    pairs = pair_masks(sides[0], sides[1], PAIRED_IOU)
    paired_a, paired_b = ({pair[side] for pair in pairs} for side in (0, 1))
    lost = [place for place in range(len(masks_a)) if place not in paired_a]
    gained = [place for place in range(len(masks_b)) if place not in paired_b]
    return Matching(pairs, lost, gained)


def masks_in_groups(masks: Sequence[Mask], groups: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the places of masks of which at least half lies in one of the groups.

    A group is an annotation of several objects as one area (`iscrowd`), as run lengths. COCO's evaluation ignores
    masks in it, by the same share of the mask's area.
    """
    if not masks or not groups:
        return []
    shares = coco_mask.iou([mask["segmentation"] for mask in masks], list(groups), [1] * len(groups))
    return [int(place) for place in np.flatnonzero(np.asarray(shares).max(axis=1) >= PAIRED_IOU)]


def is_changed(iou: float) -> bool:
    """Return True for a pair whose masks differ."""
    return iou < AGREEING_IOU


def agreement(iou_sum: float, masks_a: int, masks_b: int) -> float:
    """Return the agreement of two sets of masks in 0..1; 1 if neither has any.

    It is panoptic quality with A as the truth (Kirillov et al. 2019, arXiv 1801.00868): the sum of the IoUs of the
    pairs by the number of pairs plus half the number of masks without a partner. Swapping A and B does not change it.
    """
    masks = masks_a + masks_b
    return min(1.0, 2 * iou_sum / masks) if masks else 1.0
