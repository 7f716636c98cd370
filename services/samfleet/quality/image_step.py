"""COCOeval's per-image step for one image at a time, without files and lists of all images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.cocoeval import COCOeval

from samfleet.quality.protocol import AREAS, Found, Protocol, Truth

IMAGE_ID = 0  # COCOeval gets one image at a time
ANY_CATEGORY = -1  # COCOeval's id for a class-agnostic evaluation


@dataclass(frozen=True, slots=True)
class Verdict:
    """Matches of one category of one image in one area range.

    `scores` [D] are sorted, best first; `right` and `wrong` are bool [10, D] by IoU threshold. A detection is neither
    if it matched a crowd or an instance outside the area range, or if it is outside the range and matched nothing.
    """

    category_id: int
    area: int  # place in AREAS
    instances: int
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]

    def without_wrong(self) -> Verdict:
        return replace(self, wrong=np.zeros_like(self.wrong))

    def best(self, limit: int) -> Verdict:
        """Return the verdict on the `limit` best detections."""
        if len(self.scores) <= limit:
            return self
        return replace(self, scores=self.scores[:limit], right=self.right[:, :limit], wrong=self.wrong[:, :limit])


class ImageStep:
    """Matching of an image by pycocotools: `COCOeval.computeIoU` and `COCOeval.evaluateImg`."""

    def __init__(self, protocol: Protocol) -> None:
        self._evaluation: Any = COCOeval(iouType=protocol.shapes)
        self._class_aware = protocol.class_aware
        self._most = protocol.limits[-1]
        self._evaluation.params.useCats = int(protocol.class_aware)
        self._evaluation.params.maxDets = list(protocol.limits)

    def __call__(self, truths: Sequence[Truth], found: Sequence[Found]) -> Iterator[Verdict]:
        """Yield the verdicts of an image. Pass truths and detections in file order, which breaks ties."""
        categories = sorted({one.category_id for one in truths} | {one.category_id for one in found})
        evaluation = self._evaluation
        evaluation.params.catIds = categories
        evaluation._gts = _by_category([_truth(*numbered) for numbered in enumerate(truths, 1)])  # noqa: SLF001 - the only input without files
        evaluation._dts = _by_category([_found(*numbered) for numbered in enumerate(found, 1)])  # noqa: SLF001 - as above
        for category in categories if self._class_aware else [ANY_CATEGORY]:
            evaluation.ious = {(IMAGE_ID, category): evaluation.computeIoU(IMAGE_ID, category)}
            for place, limits in enumerate(AREAS.values()):
                result = evaluation.evaluateImg(IMAGE_ID, category, list(limits), self._most)
                if result is not None:
                    yield _verdict(category, place, result)


def _verdict(category_id: int, area: int, result: dict[str, Any]) -> Verdict:
    matched, ignored = result["dtMatches"] > 0, result["dtIgnore"].astype(bool)
    return Verdict(
        category_id,
        area,
        int(np.count_nonzero(result["gtIgnore"] == 0)),
        np.asarray(result["dtScores"], dtype=np.float64),
        matched & ~ignored,
        ~matched & ~ignored,
    )


def _truth(number: int, truth: Truth) -> dict[str, Any]:
    """Convert to COCOeval's form. Ids start at 1, because COCOeval treats a match with id 0 as no match."""
    crowd = int(truth.iscrowd)
    fields = {"id": number, "category_id": truth.category_id, "iscrowd": crowd, "ignore": crowd, "area": truth.area}
    return {**fields, "segmentation": truth.shape, "bbox": truth.shape}


def _found(number: int, found: Found) -> dict[str, Any]:
    fields = {"id": number, "category_id": found.category_id, "score": found.score, "area": found.area}
    return {**fields, "segmentation": found.shape, "bbox": found.shape}


def _by_category(entries: Sequence[dict[str, Any]]) -> defaultdict[tuple[int, int], list[dict[str, Any]]]:
    grouped: defaultdict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    for entry in entries:
        grouped[IMAGE_ID, entry["category_id"]].append(entry)
    return grouped
