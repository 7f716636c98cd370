"""Non-maximum suppression one kept box at a time, like torchvision's CPU kernel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nms_slowly(boxes: NDArray[np.float32], scores: NDArray[np.float32], iou_threshold: float) -> NDArray[np.int64]:
    order = np.argsort(-scores, kind="stable")
    x0, y0, x1, y1 = boxes.astype(np.float32)[order].T
    areas = (x1 - x0) * (y1 - y0)
    alive = np.ones(len(order), dtype=bool)
    kept = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(i)
        width = np.maximum(np.minimum(x1[i], x1[i + 1 :]) - np.maximum(x0[i], x0[i + 1 :]), 0)
        height = np.maximum(np.minimum(y1[i], y1[i + 1 :]) - np.maximum(y0[i], y0[i + 1 :]), 0)
        overlap = width * height
        union = areas[i] + areas[i + 1 :] - overlap
        iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
        alive[i + 1 :] &= ~(iou.astype(np.float64) > iou_threshold)
    return order[kept].astype(np.int64)
