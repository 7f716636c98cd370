"""Select the detections of an image that become prompts, by the rules of a YOLO detector.

Source: `non_max_suppression` of ultralytics 8.0 (yolo/utils/ops.py), which MobileSAMv2's Inference.py calls with a
confidence above 0.4, an IoU of 0.9 and the library's 300 boxes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from samfleet.jobs.outcomes import Detection
from samfleet_models.ops.nms import nms


def select_detections(
    detections: Sequence[Detection], *, score_thresh: float, nms_thresh: float, most: int
) -> tuple[Detection, ...]:
    """Return at most `most` detections by descending score, the earlier first on ties.

    Scores must exceed `score_thresh`. Of boxes of one category with an IoU above `nms_thresh`, the best stays.
    """
    ranked = sorted((found for found in detections if found.score > score_thresh), key=lambda found: -found.score)
    by_category: dict[int, list[int]] = defaultdict(list)
    for rank, found in enumerate(ranked):
        by_category[found.category_id].append(rank)
    kept: list[int] = []
    for ranks in by_category.values():
        boxes = np.array([ranked[rank].bbox for rank in ranks], dtype=np.float32)
        boxes[:, 2:] += boxes[:, :2]
        scores = -np.arange(len(ranks), dtype=np.float32)  # they are in order already
        kept += [ranks[row] for row in nms(boxes, scores, nms_thresh)]
    return tuple(ranked[rank] for rank in sorted(kept)[:most])
