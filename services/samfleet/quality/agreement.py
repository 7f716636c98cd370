"""Mean IoU per instance of prompted masks.

Sizes are COCO's, by the annotated `area`: below 32 x 32 pixels, below 96 x 96, and the rest. Each instance has one
size, as in efficientvit's applications/efficientvit_sam/eval_efficientvit_sam_model.py; in COCOeval an instance at a
boundary has two.
"""

from __future__ import annotations

from collections.abc import Mapping

from samfleet.quality.protocol import AREAS, Area, Figure, Truth
from samfleet.quality.resampling import ResampledRatio
from samfleet.quality.segmentation import Rle, pixel_ious


class Agreement:
    def __init__(self) -> None:
        self._instances: dict[Area, int] = dict.fromkeys(AREAS, 0)
        self._sums: dict[Area, float] = dict.fromkeys(AREAS, 0.0)
        self._resampled = ResampledRatio()

    def add(self, image_id: int, truths: Mapping[int, Truth], best: Mapping[int, Rle]) -> None:
        """Add the instances of an image and the mask of each, by annotation id; an instance without a mask counts as 0.

        Crowds are skipped.
        """
        total, instances = 0.0, 0
        for annotation_id, truth in truths.items():
            if truth.iscrowd:
                continue
            mask = best.get(annotation_id)
            iou = 0.0 if mask is None else float(pixel_ious([mask], [truth.shape])[0, 0])
            total, instances = total + iou, instances + 1
            for area in ("all", _size_of(truth.area)):
                self._instances[area] += 1
                self._sums[area] += iou
        self._resampled.add(image_id, total, instances)

    def figures(self) -> list[Figure]:
        return [
            Figure("miou", area, 1, self._sums[area] / instances, instances, self._replicates(area))
            for area, instances in self._instances.items()
            if instances
        ]

    def _replicates(self, area: Area) -> tuple[float, ...] | None:
        return self._resampled.replicates() if area == "all" else None


def _size_of(area: float) -> Area:
    if area < AREAS["small"][1]:
        return "small"
    return "medium" if area < AREAS["medium"][1] else "large"
