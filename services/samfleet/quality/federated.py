"""LVIS's average precision and recall: not every image is annotated with every category.

Source: LVISEval and LVISResults of the package lvis 0.5.3 (lvis-dataset/lvis-api, eval.py and results.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from samfleet.quality.evaluation import Evaluation
from samfleet.quality.protocol import AREAS, FEDERATED, Figure, Found, Metric, Truth

LIMIT = FEDERATED.limits[-1]
BY_FREQUENCY: Mapping[str, Metric] = {"r": "lvis_apr", "c": "lvis_apc", "f": "lvis_apf"}
AT_THRESHOLD: Mapping[Metric, int] = {"lvis_ap50": 0, "lvis_ap75": 5}  # places in IOU_THRESHOLDS


@dataclass(frozen=True, slots=True)
class Checked:
    """Categories that annotators looked for in an image, besides those of its annotations.

    `absent` were found to have no instance. Of the `incomplete` ones not every instance is annotated.
    """

    absent: frozenset[int] = frozenset()
    incomplete: frozenset[int] = frozenset()


class FederatedEvaluation:
    """Accumulator of images, each added once, in any order; its figures equal those of LVISEval for masks.

    `frequencies` has every category of the file with "r" (rare), "c" (common), "f" (frequent) or None.
    """

    def __init__(self, frequencies: Mapping[int, str | None]) -> None:
        self._frequencies = frequencies
        self._evaluation = Evaluation(FEDERATED)

    def add(self, image_id: int, truths: Sequence[Truth], found: Sequence[Found], checked: Checked) -> None:
        """Add an image.

        The best 300 detections of all categories count. Those of a category that was not looked for are dropped
        afterwards. LVIS has no crowds and ignores `iscrowd`.
        """
        instances = [replace(truth, iscrowd=False) for truth in truths if truth.category_id in self._frequencies]
        looked_for = checked.absent | {truth.category_id for truth in instances}
        counted = [one for one in _best(found) if one.category_id in looked_for]
        self._evaluation.add(image_id, instances, counted, checked.incomplete)

    def figures(self) -> Iterator[Figure]:
        """Yield the figures of `LVISEval.summarize` for which there are instances."""
        for area in AREAS:
            instances = self._evaluation.instances(area)
            precisions = self._evaluation.precisions(area)
            recall = self._evaluation.recall(area, LIMIT)
            if precisions is None or recall is None:
                continue
            replicates = self._evaluation.precision_replicates() if area == "all" else None
            yield Figure("lvis_ap", area, LIMIT, float(precisions.mean()), instances, replicates)
            yield Figure("lvis_ar", area, LIMIT, recall, instances)
            if area == "all":
                for metric, threshold in AT_THRESHOLD.items():
                    yield Figure(metric, area, LIMIT, float(precisions[threshold].mean()), instances)
        yield from self._by_frequency()

    def _by_frequency(self) -> Iterator[Figure]:
        groups = defaultdict(set)
        for category_id, frequency in self._frequencies.items():
            groups[frequency].add(category_id)
        for frequency, metric in BY_FREQUENCY.items():
            categories = groups[frequency]
            precisions = self._evaluation.precisions("all", categories)
            if precisions is not None:
                instances = self._evaluation.instances("all", categories)
                yield Figure(metric, "all", LIMIT, float(precisions.mean()), instances)


def _best(found: Sequence[Found]) -> Sequence[Found]:
    """Return the detections of an image that count, in file order if all do, else best first, as LVISResults does."""
    return found if len(found) <= LIMIT else sorted(found, key=lambda one: one.score, reverse=True)[:LIMIT]
