"""Agreement between two sets of masks of the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from samfleet.masks.pairing import Rle, iou_table, pair_masks
from samfleet.masks.record import MaskRecord
from samfleet.variants.gates import AGREEING_IOU, PAIRED_IOU, GateFigures


@dataclass(frozen=True, slots=True)
class ImageAgreement:
    """Agreement on one image: mask counts of both sides, IoUs of their pairs and of the box-prompted masks."""

    name: str
    reference_masks: int
    candidate_masks: int
    paired: tuple[float, ...]
    boxes: tuple[float, ...] = ()

    @property
    def larger(self) -> int:
        return max(self.reference_masks, self.candidate_masks)

    @property
    def agreeing(self) -> int:
        return sum(iou >= AGREEING_IOU for iou in self.paired)

    @property
    def share(self) -> float:
        """Share of agreeing masks among the larger side's; 1 if neither side has any."""
        return self.agreeing / self.larger if self.larger else 1.0


def compare_images(
    name: str,
    masks: tuple[Sequence[MaskRecord], Sequence[MaskRecord]],
    boxed: tuple[Sequence[MaskRecord], Sequence[MaskRecord]],
) -> ImageAgreement:
    """Compare one image. `masks` and `boxed` are the reference's and the candidate's; a missing box mask has IoU 0."""
    reference, candidate = masks
    return ImageAgreement(
        name, len(reference), len(candidate), tuple(pair_ious(reference, candidate)), tuple(_same_prompt_ious(*boxed))
    )


def pair_ious(reference: Sequence[MaskRecord], candidate: Sequence[MaskRecord]) -> list[float]:
    """Return the IoUs of pairs of at least `PAIRED_IOU`, matched greedily, best first; no mask is in two pairs."""
    return [pair.iou for pair in pair_masks(_codes(reference), _codes(candidate), PAIRED_IOU)]


def figures_of(images: Sequence[ImageAgreement]) -> GateFigures:
    """Sum over all images, so that images weigh in proportion to their masks."""
    paired = [iou for image in images for iou in image.paired]
    boxes = [iou for image in images for iou in image.boxes]
    reference, candidate, larger, agreeing = (
        sum(getattr(image, name) for image in images)
        for name in ("reference_masks", "candidate_masks", "larger", "agreeing")
    )
    worst = min(images, key=lambda image: image.share, default=None)
    return GateFigures(
        images=len(images),
        reference_masks=reference,
        candidate_masks=candidate,
        agreeing_share=agreeing / larger if larger else float(bool(images)),
        paired_iou=_mean(paired),
        count_ratio=candidate / reference if reference else float(not candidate),
        boxes=len(boxes),
        box_agreeing_share=_mean([float(iou >= AGREEING_IOU) for iou in boxes]),
        box_iou=_mean(boxes),
        worst_image=worst.name if worst else "",
        worst_share=worst.share if worst else 0.0,
    )


def unusable_scores(masks: Sequence[MaskRecord]) -> bool:
    """Test for a mask with a score that is not a finite number."""
    return not all(math.isfinite(mask.predicted_iou) and math.isfinite(mask.stability_score) for mask in masks)


def _same_prompt_ious(reference: Sequence[MaskRecord], candidate: Sequence[MaskRecord]) -> list[float]:
    by_prompt = {mask.prompt_index: mask for mask in candidate}
    return [
        float(iou_table(_codes([mask]), _codes([by_prompt[mask.prompt_index]]))[0, 0])
        if mask.prompt_index in by_prompt
        else 0.0
        for mask in reference
    ]


def _codes(masks: Sequence[MaskRecord]) -> list[Rle]:
    return [{"size": mask.size, "counts": mask.counts} for mask in masks]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
