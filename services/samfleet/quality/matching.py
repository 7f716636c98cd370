"""Agreement of one image's masks with its annotations, object by object, by IoU of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from samfleet.quality.segmentation import Rle, pixel_ious

FOUND_IOU = 0.5  # the lowest of COCO's thresholds
MASKS_AT_ONCE = 256  # with ten thousand annotations their IoUs take 20 MB


@dataclass(frozen=True, slots=True)
class Match:
    """The object of the other side with the highest IoU: its place in that list. The first one wins a tie."""

    index: int
    iou: float


def best_matches(masks: Sequence[Rle], truths: Sequence[Rle]) -> tuple[Sequence[Match | None], Sequence[Match | None]]:
    """Return the best annotation of every mask, and the best mask of every annotation; None if nothing overlaps.

    All run lengths are those of one image. Both sides may have thousands of objects: pycocotools compares the pixels
    only of those whose boxes overlap, and the IoUs of a few hundred masks are in memory at a time.
    """
    of_masks: list[Match | None] = []
    best, places = np.zeros(len(truths)), np.zeros(len(truths), dtype=np.int64)
    for first in range(0, len(masks) if truths else 0, MASKS_AT_ONCE):
        ious = pixel_ious(masks[first : first + MASKS_AT_ONCE], truths)
        rows, columns = ious.argmax(axis=0), ious.argmax(axis=1)
        of_masks.extend(_match(int(place), float(row[place])) for row, place in zip(ious, columns, strict=True))
        highest = ious[rows, np.arange(len(truths))]
        better = highest > best
        best[better], places[better] = highest[better], first + rows[better]
    of_truths = [_match(int(place), float(iou)) for place, iou in zip(places, best, strict=True)]
    return of_masks or [None] * len(masks), of_truths


def _match(index: int, iou: float) -> Match | None:
    return Match(index, iou) if iou > 0 else None
