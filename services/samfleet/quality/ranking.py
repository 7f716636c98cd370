"""Detections of one category in columns, kept until the end because precision ranks those of all images together."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samfleet.quality.image_step import Verdict
from samfleet.quality.protocol import AREAS

RECALLS = np.linspace(0.0, 1.0, 101)  # COCO's recThrs
_BITS = 1 << np.arange(10, dtype=np.uint16)  # one IoU threshold each


class Ranking:
    """Columns of detections: image, score and, by area range, the IoU thresholds at which each is right or wrong."""

    def __init__(self) -> None:
        self._images, self._scores = array("q"), array("d")
        self._right = [array("H") for _ in AREAS]
        self._wrong = [array("H") for _ in AREAS]

    def add(self, image_id: int, verdicts: Sequence[Verdict]) -> None:
        """Add the verdicts of one image, one for each area range."""
        scores = verdicts[0].scores
        self._images.extend([image_id] * len(scores))
        self._scores.frombytes(scores.tobytes())
        for verdict in verdicts:
            self._right[verdict.area].frombytes((_BITS @ verdict.right).astype(np.uint16).tobytes())
            self._wrong[verdict.area].frombytes((_BITS @ verdict.wrong).astype(np.uint16).tobytes())

    def precision(self, area: int, instances: int) -> NDArray[np.float64]:
        """Return precisions [10, 101] by IoU threshold and recall, as computed by `COCOeval.accumulate`.

        Equal scores are ranked by image id, not by the order in which images were added.
        """
        scores = np.frombuffer(self._scores)
        order = np.lexsort((np.frombuffer(self._images, dtype=np.int64), -scores))
        right = np.frombuffer(self._right[area], dtype=np.uint16)[order]
        wrong = np.frombuffer(self._wrong[area], dtype=np.uint16)[order]
        found = np.zeros((len(_BITS), len(RECALLS)))
        for threshold, bit in enumerate(_BITS):
            hits = np.cumsum(right & bit > 0).astype(np.float64)
            misses = np.cumsum(wrong & bit > 0).astype(np.float64)
            envelope = hits / (misses + hits + np.spacing(1))
            envelope = np.maximum.accumulate(envelope[::-1])[::-1]
            places = np.searchsorted(hits / instances, RECALLS, side="left")
            reached = places < len(hits)
            found[threshold, reached] = envelope[places[reached]]
        return found
