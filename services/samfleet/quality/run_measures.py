"""Measures of one run: each takes the masks of its images one after the other and gives its figures at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from samfleet.quality.agreement import Agreement
from samfleet.quality.evaluation import Evaluation
from samfleet.quality.federated import Checked, FederatedEvaluation
from samfleet.quality.measures import Measures
from samfleet.quality.protocol import (
    AREAS,
    CATEGORY_FREE,
    CLASS_AGNOSTIC,
    CLASS_AWARE,
    Area,
    Figure,
    Found,
    Metric,
    Truth,
)
from samfleet.quality.segmentation import Rle

Row = Mapping[str, Any]
PRECISION_METRICS: tuple[Metric, Metric, Metric] = ("ap", "ap50", "ap75")
CATEGORY_FREE_METRICS: tuple[Metric, Metric, Metric] = ("ap_agnostic", "ap50_agnostic", "ap75_agnostic")


class RunMeasure(Protocol):
    def add(self, row: Row, truths: Mapping[int, Truth], checked: Checked) -> None:
        """Add one image: the line of its part file, and its annotations by id, in the order of their file."""

    def figures(self) -> Iterable[Figure]: ...


def run_measures(measures: Measures) -> Sequence[RunMeasure]:
    found: list[RunMeasure] = []
    if measures.agreement:
        found.append(RunAgreement())
    if measures.recall:
        found.append(RunRecall(category_free=measures.category_free))
    if measures.precision:
        found.append(RunPrecision())
    if measures.frequencies is not None:
        found.append(RunFederated(measures.frequencies))
    return found


class RunAgreement:
    """mIoU of the mask of each prompt."""

    def __init__(self) -> None:
        self._agreement = Agreement()

    def add(self, row: Row, truths: Mapping[int, Truth], _checked: Checked) -> None:
        self._agreement.add(row["image_id"], truths, _best_masks(row["masks"]))

    def figures(self) -> Iterable[Figure]:
        return self._agreement.figures()


class RunRecall:
    """Class-agnostic recall of masks ranked by predicted IoU, and with `category_free` their precision."""

    def __init__(self, *, category_free: bool) -> None:
        self._protocol = CATEGORY_FREE if category_free else CLASS_AGNOSTIC
        self._evaluation = Evaluation(self._protocol)

    def add(self, row: Row, truths: Mapping[int, Truth], _checked: Checked) -> None:
        self._evaluation.add(row["image_id"], tuple(truths.values()), [_proposal(mask) for mask in row["masks"]])

    def figures(self) -> Iterator[Figure]:
        for area in AREAS:
            for limit in self._protocol.limits:
                value = self._evaluation.recall(area, limit)
                if value is not None:
                    headline = area == "all" and limit == self._protocol.limits[-1]
                    replicates = self._evaluation.recall_replicates() if headline else None
                    yield Figure("ar", area, limit, value, self._evaluation.instances(area), replicates)
        if self._protocol.precision_limit is not None:
            yield from _precisions(self._evaluation, CATEGORY_FREE_METRICS, self._protocol.precision_limit)


class RunPrecision:
    """COCO's precision by category, ranked as in exported results."""

    def __init__(self) -> None:
        self._evaluation = Evaluation(CLASS_AWARE)

    def add(self, row: Row, truths: Mapping[int, Truth], _checked: Checked) -> None:
        self._evaluation.add(row["image_id"], tuple(truths.values()), [_detection(mask) for mask in row["masks"]])

    def figures(self) -> Iterator[Figure]:
        return _precisions(self._evaluation, PRECISION_METRICS, CLASS_AWARE.limits[-1])


class RunFederated:
    """LVIS's precision and recall by category, ranked as in exported results."""

    def __init__(self, frequencies: Mapping[int, str | None]) -> None:
        self._evaluation = FederatedEvaluation(frequencies)

    def add(self, row: Row, truths: Mapping[int, Truth], checked: Checked) -> None:
        found = [_detection(mask) for mask in row["masks"]]
        self._evaluation.add(row["image_id"], tuple(truths.values()), found, checked)

    def figures(self) -> Iterator[Figure]:
        return self._evaluation.figures()


def _precisions(evaluation: Evaluation, metrics: tuple[Metric, Metric, Metric], limit: int) -> Iterator[Figure]:
    """Yield the means over all IoU thresholds for each size, then those at IoU 0.5 and 0.75 for all sizes."""
    mean, at_half, at_three_quarters = metrics
    areas: Iterable[Area] = AREAS
    for area in areas:
        precisions = evaluation.precisions(area)
        if precisions is None:
            continue
        instances = evaluation.instances(area)
        replicates = evaluation.precision_replicates() if area == "all" else None
        yield Figure(mean, area, limit, float(precisions.mean()), instances, replicates)
        if area == "all":
            yield Figure(at_half, area, limit, float(precisions[0].mean()), instances)
            yield Figure(at_three_quarters, area, limit, float(precisions[5].mean()), instances)


def _proposal(mask: Row) -> Found:
    return Found(mask.get("category_id", 0), mask["predicted_iou"], mask["area"], mask["segmentation"])


def _detection(mask: Row) -> Found:
    """Return a mask scored as in exported results: by the detection's score, else by the predicted IoU."""
    score = mask.get("detection_score", mask["predicted_iou"])
    return Found(mask["category_id"], score, mask["area"], mask["segmentation"])


def _best_masks(masks: Sequence[Row]) -> dict[int, Rle]:
    """Return the mask of the highest predicted IoU by annotation id; the first on ties."""
    best: dict[int, Row] = {}
    for mask in masks:
        known = best.get(mask["annotation_id"])
        if known is None or mask["predicted_iou"] > known["predicted_iou"]:
            best[mask["annotation_id"]] = mask
    return {annotation_id: mask["segmentation"] for annotation_id, mask in best.items()}
