"""How well masks agree with annotated instances: intersection over union in pixels, by pycocotools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from samfleet.jobs.results import Annotation, Quality
from samfleet.masks.record import MaskRecord

LEAST_POLYGON_NUMBERS = 6  # pycocotools reads four numbers as a box; two points enclose nothing
Rle = Mapping[str, Any]


def annotation_rle(segmentation: Any, height: int, width: int) -> Rle:
    """COCO's compressed run-length code of polygons, uncompressed or compressed codes, as annotations hold them.

    Polygons are drawn in an image of `height` x `width` pixels; codes keep the size they state.
    """
    if isinstance(segmentation, Mapping):
        if isinstance(segmentation["counts"], list):
            return cast("Rle", coco.frPyObjects(dict(segmentation), *segmentation["size"]))
        return segmentation
    polygons = [polygon for polygon in segmentation if len(polygon) >= LEAST_POLYGON_NUMBERS]
    if not polygons:
        return cast("Rle", coco.encode(np.zeros((height, width), dtype=np.uint8, order="F")))
    return cast("Rle", coco.merge(coco.frPyObjects(polygons, height, width)))


def annotation_mask(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """The same as pixels: bool [height, width]."""
    return cast("NDArray[np.bool_]", coco.decode(annotation_rle(segmentation, height, width)).astype(bool))


def prompted_quality(
    masks: Sequence[MaskRecord], prompted: Sequence[Annotation], height: int, width: int
) -> Quality | None:
    """Each prompt's best mask (highest predicted IoU) against the instance it was prompted with."""
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
            total += float(_ious([best[index]], [truth])[0, 0])
    return Quality(len(prompted), total)


def everything_quality(
    masks: Sequence[MaskRecord], instances: Sequence[Annotation], height: int, width: int
) -> Quality | None:
    """Each annotated instance against the mask that fits it best; masks of what is not annotated cost nothing."""
    if not instances:
        return None
    if not masks:
        return Quality(len(instances), 0.0)
    truths = [annotation_rle(annotation.segmentation, height, width) for annotation in instances]
    return Quality(len(instances), float(_ious(masks, truths).max(axis=0).sum()))


def _ious(masks: Sequence[MaskRecord], truths: Sequence[Rle]) -> NDArray[np.float64]:
    """Float64 [masks, truths] in 0..1. pycocotools gives NaN for an empty union and -1 for unequal sizes: both 0."""
    codes = [{"size": list(mask.size), "counts": mask.counts} for mask in masks]
    values = coco.iou(codes, list(truths), [0] * len(truths))
    return np.clip(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0), 0.0, 1.0)
