from __future__ import annotations

from collections.abc import Sequence

import pytest

from samfleet.jobs.outcomes import Detection
from samfleet_worker.detection_selection import select_detections

FOUND = (
    Detection(1, 1, (0.0, 0.0, 10.0, 10.0), 0.5),
    Detection(2, 1, (0.0, 0.0, 10.0, 9.0), 0.8),  # IoU 0.9 with the first
    Detection(3, 2, (0.0, 0.0, 10.0, 10.0), 0.4),
    Detection(4, 1, (20.0, 0.0, 5.0, 5.0), 0.8),
    Detection(5, 1, (3.0, 3.0, 0.0, 0.0), 0.7),
)


@pytest.mark.parametrize(
    ("score", "nms", "most", "kept"),
    [
        (0.4, 0.95, 9, [2, 4, 5, 1]),  # the score must be exceeded
        (0.3, 0.89, 9, [2, 4, 5, 3]),  # the first is removed, the third is of another category
        (0.3, 0.9, 9, [2, 4, 5, 1, 3]),  # as must the IoU
        (0.3, 0.5, 2, [2, 4]),
        (0.9, 0.5, 2, []),
        (0.3, 0.0, 9, [2, 4, 5, 3]),
    ],
)
def test_the_best_boxes_stay(score: float, nms: float, most: int, kept: Sequence[int]) -> None:
    chosen = select_detections(FOUND, score_thresh=score, nms_thresh=nms, most=most)
    assert [detection.detection_id for detection in chosen] == kept


def test_no_detections_give_no_boxes() -> None:
    assert select_detections((), score_thresh=0.0, nms_thresh=0.5, most=3) == ()
