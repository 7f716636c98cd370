"""Pairs of masks that show the same object, in two sets of masks of one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

MASKS_AT_ONCE = 256

Rle = Mapping[str, Any]


class Pair(NamedTuple):
    """Places of two masks in their sets, and their IoU in 0..1."""

    first: int
    second: int
    iou: float


def pair_masks(first: Sequence[Rle], second: Sequence[Rle], least_iou: float) -> list[Pair]:
    """Match masks greedily by falling IoU, down to `least_iou` > 0; no mask is in two pairs.

    Masks are COCO's compressed RLE, `{"size": [height, width], "counts": …}`. Ties go to the earlier masks. Among masks
    that do not overlap within their set, and with `least_iou` above 0.5, no other matching exists.
    """
    found: list[Pair] = []
    used_first: set[int] = set()
    used_second: set[int] = set()
    for pair in sorted(_candidates(first, second, least_iou), key=lambda pair: (-pair.iou, *pair[:2])):
        if pair.first not in used_first and pair.second not in used_second:
            used_first.add(pair.first)
            used_second.add(pair.second)
            found.append(pair)
    return found


def iou_table(first: Sequence[Rle], second: Sequence[Rle]) -> NDArray[np.float64]:
    """Return IoUs, float64 [first, second], by pycocotools; 0 for masks of different sizes.

    Two empty masks have 1, where pycocotools would divide 0 by 0.
    """
    if not first or not second:
        return np.zeros((len(first), len(second)))
    table = np.asarray(coco_mask.iou(list(first), list(second), [0] * len(second)), dtype=np.float64)
    table[np.ix_(coco_mask.area(list(first)) == 0, coco_mask.area(list(second)) == 0)] = 1.0
    return np.maximum(table, 0.0)


def _candidates(first: Sequence[Rle], second: Sequence[Rle], least_iou: float) -> list[Pair]:
    """Return all pairs of at least `least_iou`, by places.

    Masks are taken from left to right, some at a time, with those of the other set that lie in the same columns of the
    image. Other pairs share nothing, and the table of all would be large.
    """
    if not first or not second:
        return []
    found: list[Pair] = []
    left, right = _columns_of(first)
    other_left, other_right = _columns_of(second)
    order = np.argsort(left, kind="stable")
    for start in range(0, len(order), MASKS_AT_ONCE):
        rows = order[start : start + MASKS_AT_ONCE]
        near = np.flatnonzero((other_left <= right[rows].max()) & (other_right >= left[rows].min()))
        table = iou_table([first[row] for row in rows], [second[column] for column in near])
        for row, column in zip(*np.nonzero(table >= least_iou), strict=True):
            found.append(Pair(int(rows[row]), int(near[column]), float(table[row, column])))
    return found


def _columns_of(masks: Sequence[Rle]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the left and right edges [n] of masks in pixels; both are 0 for an empty mask."""
    boxes = np.asarray(coco_mask.toBbox(list(masks)), dtype=np.float64)
    return boxes[:, 0], boxes[:, 0] + boxes[:, 2]
