"""RLE of annotated segmentations and IoU of masks with them, by pycocotools."""

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
    """Return COCO's compressed RLE of an annotation's polygons, uncompressed RLE or compressed RLE.

    Polygons are drawn in an image of `height` x `width` pixels. RLE of another size is refused before memory is
    allocated for the size that it states.
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
    """Return the annotation's mask as bool [height, width]."""
    return cast("NDArray[np.bool_]", coco.decode(annotation_rle(segmentation, height, width)).view(bool))


def pixel_ious(masks: Sequence[Rle], truths: Sequence[Rle]) -> NDArray[np.float64]:
    """Return IoUs, float64 [masks, truths] in 0..1; 0 for an empty union and for unequal sizes.

    pycocotools returns NaN and -1 for these.
    """
    values = coco.iou(list(masks), list(truths), [0] * len(truths))
    return np.clip(np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0), 0.0, 1.0)
