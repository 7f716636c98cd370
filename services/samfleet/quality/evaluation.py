"""COCO's average precision and recall over a stream of images, also with categories not annotated everywhere.

Masks are dropped after their image. Recall keeps only counters; precision keeps 32 bytes of each detection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from samfleet.quality.image_step import ImageStep
from samfleet.quality.protocol import AREAS, Area, Found, Protocol, Truth
from samfleet.quality.ranking import Ranking
from samfleet.quality.resampling import ImageCounts, ResampledRatio

MOST_RESAMPLED = 500_000  # detections that are ranked again for each replicate; that takes about a minute
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # COCO's iouThrs
_PLACES: dict[Area, int] = {area: place for place, area in enumerate(AREAS)}


class Evaluation:
    """Accumulator of images, each added once, in any order; its figures equal COCOeval's over the same images."""

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol
        self._step = ImageStep(protocol)
        shape = (len(AREAS), len(protocol.limits), len(IOU_THRESHOLDS))
        self._hits: defaultdict[int, NDArray[np.int64]] = defaultdict(lambda: np.zeros(shape, dtype=np.int64))
        self._instances: defaultdict[int, list[int]] = defaultdict(lambda: [0] * len(AREAS))
        self._rankings: defaultdict[int, Ranking] = defaultdict(Ranking)
        self._recalled = ResampledRatio()

    def add(
        self, image_id: int, truths: Sequence[Truth], found: Sequence[Found], incomplete: Collection[int] = ()
    ) -> None:
        """Add an image.

        In categories of `incomplete` not all instances are annotated, so no detection of them counts as wrong.
        """
        by_category = defaultdict(list)
        recalled, instances = 0.0, 0
        for each in self._step(truths, found):
            verdict = each.without_wrong() if each.category_id in incomplete else each
            by_category[verdict.category_id].append(verdict)
            self._instances[verdict.category_id][verdict.area] += verdict.instances
            for place, limit in enumerate(self._protocol.limits):
                self._hits[verdict.category_id][verdict.area, place] += verdict.right[:, :limit].sum(axis=1)
            if verdict.area == _PLACES["all"]:
                recalled += float(verdict.right.sum()) / len(IOU_THRESHOLDS)
                instances += verdict.instances
        self._recalled.add(image_id, recalled, instances)
        if self._protocol.precision_limit is not None:
            for category_id, verdicts in by_category.items():
                best = [verdict.best(self._protocol.precision_limit) for verdict in verdicts]
                self._rankings[category_id].add(image_id, best)

    def instances(self, area: Area, categories: Collection[int] | None = None) -> int:
        """Return the number of annotated instances of that size, without crowds; None stands for all categories."""
        return sum(instances for _, instances in self._with_instances(area, categories))

    def recall(self, area: Area, limit: int) -> float | None:
        """Return the mean recall over IoU thresholds and categories with instances; None if no category has any."""
        place = self._protocol.limits.index(limit)
        recalls = [
            self._hits[category_id][_PLACES[area], place] / instances
            for category_id, instances in self._with_instances(area)
        ]
        return float(np.mean(np.stack(recalls, axis=1))) if recalls else None

    def recall_replicates(self) -> tuple[float, ...] | None:
        """Return resampled values of the recall of all sizes at the largest limit, without regard to categories."""
        return self._recalled.replicates()

    def precision_replicates(self) -> tuple[float, ...] | None:
        """Return resampled values of the mean precision of all sizes; None with too many detections or few images."""
        if sum(map(len, self._rankings.values())) > MOST_RESAMPLED:
            return None
        counts = ImageCounts()
        found = [
            self._rankings[category_id].resampled(_PLACES["all"], counts)
            for category_id, _ in self._with_instances("all")
        ]
        means = np.stack(found) if found else np.zeros((0, 0))
        if not np.isfinite(means).any(axis=0).all() or not means.size:
            return None
        return tuple(np.nanmean(means, axis=0).tolist())

    def precisions(self, area: Area, categories: Collection[int] | None = None) -> NDArray[np.float64] | None:
        """Return precisions [10, 101, categories] by IoU threshold and recall, at the protocol's `precision_limit`.

        Only `categories`, or all for None. None if no category has instances.
        """
        found = [
            self._rankings[category_id].precision(_PLACES[area], instances)
            for category_id, instances in self._with_instances(area, categories)
        ]
        return np.stack(found, axis=2) if found else None

    def _with_instances(self, area: Area, categories: Collection[int] | None = None) -> list[tuple[int, int]]:
        place = _PLACES[area]
        return [
            (category_id, counts[place])
            for category_id, counts in sorted(self._instances.items())
            if counts[place] and (categories is None or category_id in categories)
        ]
