"""Non-maximum suppression of boxes, with the decisions of torchvision's `batched_nms` for one category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 64  # boxes processed together: their pairs with thousands of others fit the cache


def nms(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou_threshold: float) -> NDArray[np.int64]:
    """Return the indices of the kept boxes, by descending score, the earlier first on ties.

    `boxes` are [n, 4] (x0, y0, x1, y1). A box is removed when its IoU with a kept one is above the threshold: the IoU
    in float32 against the threshold in float64, as torchvision's CPU kernel compares them.
    """
    order: NDArray[np.int64] = np.argsort(-scores, kind="stable")
    boxes = boxes.astype(np.float32)
    threshold = _float32_below(iou_threshold)
    workspace = np.empty((3, BLOCK * len(order)), dtype=np.float32)
    kept = []
    while len(order):
        block, order = order[:BLOCK], order[BLOCK:]
        block = block[_survivors(_over(boxes[block], boxes[block], threshold, workspace))]
        kept.append(block)
        order = order[~_over(boxes[block], boxes[order], threshold, workspace).any(axis=0)]
    return np.concatenate([np.zeros(0, np.int64), *kept])


def _over(
    kept: NDArray[np.float32], others: NDArray[np.float32], threshold: np.float32, workspace: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Mark [kept, others] the pairs with an IoU above the threshold; the IoU is 0 if the union is empty."""
    shape = len(kept), len(others)
    overlap, extent, term = workspace[:, : shape[0] * shape[1]].reshape(3, *shape)
    x0, y0, x1, y1 = kept.T[:, :, None]
    left, top, right, bottom = np.ascontiguousarray(others.T)
    for out, low, high in ((overlap, (x0, left), (x1, right)), (extent, (y0, top), (y1, bottom))):
        np.subtract(np.minimum(*high, out=out), np.maximum(*low, out=term), out=out)
        np.maximum(out, 0, out=out)
    overlap *= extent
    union = np.subtract(np.add((x1 - x0) * (y1 - y0), (right - left) * (bottom - top), out=extent), overlap, out=extent)
    some = union > 0
    np.divide(overlap, np.maximum(union, np.finfo(np.float32).tiny, out=union), out=overlap)
    return np.where(some, overlap > threshold, threshold < 0)


def _float32_below(value: float) -> np.float32:
    """Return the largest float32 up to `value`; a float32 is above one exactly if it is above the other."""
    nearest = np.float32(value)
    return nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(-np.inf))


def _survivors(overlapping: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the boxes, in order, that no earlier survivor overlaps, given the overlapping pairs."""
    alive = np.ones(len(overlapping), dtype=bool)
    for i, row in enumerate(overlapping):
        if alive[i]:
            alive[i + 1 :] &= ~row[i + 1 :]
    return np.flatnonzero(alive)
