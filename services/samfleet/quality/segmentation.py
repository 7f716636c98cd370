"""Annotated segmentations as run-length codes, and how far masks agree with them in pixels, by pycocotools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from samfleet.errors import InvalidInput
from samfleet.masks.outline import MAX_OUTLINE, outline_length
from samfleet.quality.sizes import check_runs

LEAST_POLYGON_NUMBERS = 6  # pycocotools reads four numbers as a box; two points enclose nothing
Rle = Mapping[str, Any]


class AnnotationOutlineTooLong(InvalidInput):
    """An annotation's polygons reach too far beyond the image to be drawn."""

    code = "annotation_outline_too_long"


def annotation_rle(segmentation: Any, height: int, width: int) -> Rle:
    """COCO's compressed run-length code of polygons, uncompressed or compressed codes, as annotations hold them.

    Polygons are drawn in an image of `height` x `width` pixels. Codes of another size are refused before memory is
    taken for the size that they state.
    """
    if isinstance(segmentation, Mapping):
        check_runs(segmentation, height, width)
        if isinstance(segmentation["counts"], list):
            return cast("Rle", coco.frPyObjects(dict(segmentation), *segmentation["size"]))
        return segmentation
    polygons = [polygon for polygon in segmentation if len(polygon) >= LEAST_POLYGON_NUMBERS]
    if not polygons:
        return cast("Rle", coco.encode(np.zeros((height, width), dtype=np.uint8, order="F")))
    if outline_length(polygons) > MAX_OUTLINE:
        raise AnnotationOutlineTooLong(
            f"an annotation's polygons are longer than {MAX_OUTLINE} pixels; keep their corners in the image"
        )
    return cast("Rle", coco.merge(coco.frPyObjects(polygons, height, width)))


def annotation_mask(segmentation: Any, height: int, width: int) -> NDArray[np.bool_]:
    """The same as pixels: bool [height, width]."""
    return cast("NDArray[np.bool_]", coco.decode(annotation_rle(segmentation, height, width)).view(bool))


def pixel_ious(masks: Sequence[Rle], truths: Sequence[Rle]) -> NDArray[np.float64]:
    """Float64 [masks, truths] in 0..1. pycocotools gives NaN for an empty union and -1 for unequal sizes: both 0."""
    values = coco.iou(list(masks), list(truths), [0] * len(truths))
    return np.clip(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0), 0.0, 1.0)
