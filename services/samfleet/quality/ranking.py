"""Detections of one category in columns, kept until the end because precision ranks those of all images together."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samfleet.quality.image_step import Verdict
from samfleet.quality.protocol import AREAS
from samfleet.quality.resampling import PRECISION_REPLICATES, ImageCounts

RECALLS = np.linspace(0.0, 1.0, 101)  # COCO's recThrs
_CELLS = 2_000_000  # detections times replicates at a time
_BITS = 1 << np.arange(10, dtype=np.uint16)  # one IoU threshold each


class Ranking:
    """Columns of detections: image, score and, by area range, the IoU thresholds at which each is right or wrong."""

    def __init__(self) -> None:
        self._images, self._scores = array("q"), array("d")
        self._right = [array("H") for _ in AREAS]
        self._wrong = [array("H") for _ in AREAS]
        self._annotated = array("q")  # pairs: image, its instances of any size

    def __len__(self) -> int:
        return len(self._scores)

    def add(self, image_id: int, verdicts: Sequence[Verdict]) -> None:
        """Add the verdicts of one image, one for each area range."""
        scores = verdicts[0].scores
        if instances := max(verdict.instances for verdict in verdicts):
            self._annotated.extend((image_id, instances))
        self._images.extend([image_id] * len(scores))
        self._scores.frombytes(scores.tobytes())
        for verdict in verdicts:
            self._right[verdict.area].frombytes((_BITS @ verdict.right).astype(np.uint16).tobytes())
            self._wrong[verdict.area].frombytes((_BITS @ verdict.wrong).astype(np.uint16).tobytes())

    def precision(self, area: int, instances: int) -> NDArray[np.float64]:
        """Return precisions [10, 101] by IoU threshold and recall, as computed by `COCOeval.accumulate`.

        Equal scores are ranked by image id, not by the order in which images were added.
        """
        _images, right, wrong = self._in_order(area)
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

    def resampled(self, area: int, counts: ImageCounts) -> NDArray[np.float64]:
        """Return mean precisions over IoU thresholds and recalls, float64 [PRECISION_REPLICATES].

        An image counts as often as `counts` says. NaN in a replicate without instances.
        """
        images, right, wrong = self._in_order(area)
        annotated = np.array(self._annotated, dtype=np.int64).reshape(-1, 2)
        instances = annotated[:, 1] @ counts.of(annotated[:, 0]).astype(np.int64)
        weights = counts.of(images)
        found = np.full(PRECISION_REPLICATES, np.nan)
        step = max(1, _CELLS // max(1, len(images)))
        for first in range(0, PRECISION_REPLICATES, step):
            part = slice(first, first + step)
            found[part] = _mean_precisions(right, wrong, weights[:, part], instances[part])
        return found

    def _in_order(self, area: int) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint16]]:
        """Return image, thresholds at which it is right, and at which it is wrong, of each detection, best first."""
        scores, images = np.frombuffer(self._scores), np.frombuffer(self._images, dtype=np.int64)
        order = np.lexsort((images, -scores))
        right = np.frombuffer(self._right[area], dtype=np.uint16)[order]
        wrong = np.frombuffer(self._wrong[area], dtype=np.uint16)[order]
        return images[order], right, wrong


def _mean_precisions(
    right: NDArray[np.uint16], wrong: NDArray[np.uint16], weights: NDArray[np.uint8], instances: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean precision of each replicate, float64 [replicates], from `weights` [detections, replicates]."""
    total = np.zeros(len(instances))
    for bit in _BITS:
        hits = np.cumsum(np.where((right & bit > 0)[:, None], weights, 0), axis=0, dtype=np.float64)
        misses = np.cumsum(np.where((wrong & bit > 0)[:, None], weights, 0), axis=0, dtype=np.float64)
        envelope = hits / (misses + hits + np.spacing(1))
        envelope = np.maximum.accumulate(envelope[::-1], axis=0)[::-1]
        for replicate, count in enumerate(instances):
            if count:
                places = np.searchsorted(hits[:, replicate] / count, RECALLS, side="left")
                total[replicate] += envelope[places[places < len(hits)], replicate].sum()
    return np.where(instances > 0, total / (len(_BITS) * len(RECALLS)), np.nan)
