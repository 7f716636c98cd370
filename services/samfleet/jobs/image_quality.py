"""IoU of one image's masks with its annotated instances, computed while the masks are in memory."""

from __future__ import annotations

from collections.abc import Sequence

from samfleet.jobs.outcomes import Annotation, Quality
from samfleet.masks.record import MaskRecord
from samfleet.quality.segmentation import Rle, annotation_rle, pixel_ious


def prompted_quality(
    masks: Sequence[MaskRecord], prompted: Sequence[Annotation], height: int, width: int
) -> Quality | None:
    """Compare the best mask of each prompt (highest predicted IoU) with the instance that the prompt came from."""
    if not prompted:
        return None
    best: dict[int, MaskRecord] = {}
    for mask in masks:
        index = -1 if mask.prompt_index is None else mask.prompt_index
        if index not in best or mask.predicted_iou > best[index].predicted_iou:
            best[index] = mask
    total = 0.0
    for index, annotation in enumerate(prompted):
        if index in best:
            truth = annotation_rle(annotation.segmentation, height, width)
            total += float(pixel_ious([_rle(best[index])], [truth])[0, 0])
    return Quality(len(prompted), total)


def everything_quality(
    masks: Sequence[MaskRecord], instances: Sequence[Annotation], height: int, width: int
) -> Quality | None:
    """Compare each annotated instance with the mask of highest IoU; masks of unannotated objects do not count."""
    if not instances:
        return None
    if not masks:
        return Quality(len(instances), 0.0)
    truths = [annotation_rle(annotation.segmentation, height, width) for annotation in instances]
    return Quality(len(instances), float(pixel_ious([_rle(mask) for mask in masks], truths).max(axis=0).sum()))


def _rle(mask: MaskRecord) -> Rle:
    return {"size": list(mask.size), "counts": mask.counts}
