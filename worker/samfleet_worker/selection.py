"""Which detections of an image become prompts, as a YOLO detector selects its own boxes.

Source: `non_max_suppression` of ultralytics 8.0 (yolo/utils/ops.py), which MobileSAMv2's Inference.py calls with a
confidence above 0.4, an IoU of 0.9 and the library's 300 boxes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samfleet.jobs.results import Detection


def select_detections(
    detections: Sequence[Detection], *, score_thresh: float, nms_thresh: float, most: int
) -> tuple[Detection, ...]:
    """Those whose score is above the threshold, best first, the earlier first on ties; without those whose box has an
    IoU above `nms_thresh` with a better one of the same category; the first `most` of them.
    """
    ranked = sorted((found for found in detections if found.score > score_thresh), key=lambda found: -found.score)
    boxes = np.array([found.bbox for found in ranked], dtype=np.float64).reshape(-1, 4)
    categories = np.array([found.category_id for found in ranked], dtype=np.int64)
    alive = np.ones(len(ranked), dtype=bool)
    kept: list[Detection] = []
    for row, found in enumerate(ranked):
        if len(kept) == most:
            break
        if alive[row]:
            kept.append(found)
            alive &= ~((categories == found.category_id) & (_ious(boxes[row], boxes) > nms_thresh))
    return tuple(kept)


def _ious(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of one box (x, y, width, height) with each of `boxes` [n, 4]; 0 where both are empty."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[:2] + box[2:], boxes[:, :2] + boxes[:, 2:])
    overlap = (high - low).clip(0).prod(axis=1)
    union = box[2:].prod() + boxes[:, 2:].prod(axis=1) - overlap
    ious: NDArray[np.float64] = np.divide(overlap, union, out=np.zeros(len(boxes)), where=union > 0)
    return ious
