"""Masks of two implementations compared one to one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pycocotools import mask as coco_mask

from samfleet.masks.record import MaskRecord
from samfleet_models.precision.mask_agreement import pair_ious

EQUAL_IOU = 0.99


@dataclass(frozen=True, slots=True)
class MaskComparison:
    """Counts of both sides' masks in all images of a case, and of pairs with an IoU of at least `EQUAL_IOU`.

    No mask is in two pairs. `least_iou` and `mean_iou` are those of all pairs of at least 0.5; None without pairs.
    """

    ours: int
    theirs: int
    equal: int
    least_iou: float | None
    mean_iou: float | None

    @property
    def share(self) -> float:
        """Share of the equal masks among the larger side's; 1 if neither side has any."""
        larger = max(self.ours, self.theirs)
        return self.equal / larger if larger else 1.0


def compare_masks(
    ours: Sequence[Sequence[dict[str, Any]]], theirs: Sequence[Sequence[dict[str, Any]]]
) -> MaskComparison:
    """Compare run lengths {"size", "counts"}, compressed or not, image by image.

    Raises ValueError if the sides have different numbers of images, or an image has two sizes.
    """
    ious: list[float] = []
    for mine, other in zip(ours, theirs, strict=True):
        sizes = {tuple(mask["size"]) for mask in (*mine, *other)}
        if len(sizes) > 1:
            raise ValueError(f"masks of one image have the sizes {sorted(sizes)}")
        ious += pair_ious([_record(mask) for mask in other], [_record(mask) for mask in mine])
    return MaskComparison(
        ours=sum(map(len, ours)),
        theirs=sum(map(len, theirs)),
        equal=sum(iou >= EQUAL_IOU for iou in ious),
        least_iou=min(ious, default=None),
        mean_iou=statistics.fmean(ious) if ious else None,
    )


def _record(mask: dict[str, Any]) -> MaskRecord:
    height, width = mask["size"]
    coded = mask if isinstance(mask["counts"], str) else coco_mask.frPyObjects(mask, height, width)
    counts = coded["counts"] if isinstance(coded["counts"], str) else coded["counts"].decode()
    area = int(coco_mask.area({"size": [height, width], "counts": counts}))
    return MaskRecord(counts, (height, width), area, bbox=(0, 0, 0, 0), predicted_iou=0.0, stability_score=0.0)
