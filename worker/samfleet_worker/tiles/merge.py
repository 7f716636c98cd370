"""Merges the masks of tiles into masks of the whole image.

Parts of one object are joined (`samfleet_worker.tiles.joining`). Then overlapping boxes are suppressed as SegEvery does
inside one image: by descending predicted IoU, with the task's threshold. Masks without pixels are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_runs
from samfleet.masks.run_sets import union
from samfleet.variants.task import EverythingParameters, TaskParameters
from samfleet.variants.tiling import Window
from samfleet_models.ops.nms import nms
from samfleet_worker.tiles.joining import SeamJoiner, TileMask


def suppression_threshold(parameters: TaskParameters) -> float:
    """Return the IoU of boxes above which the mask with the lower predicted IoU is dropped; 1 keeps all."""
    if not isinstance(parameters, EverythingParameters):
        return 1.0
    return parameters.detection_nms_thresh if parameters.sampler == "object_aware" else parameters.box_nms_thresh


def merge_tiles(
    size: tuple[int, int], windows: Sequence[Window], masks: Sequence[Sequence[MaskRecord]], nms_thresh: float
) -> tuple[MaskRecord, ...]:
    """Return the masks of an image of `size` (height, width), by descending predicted IoU.

    `masks` has the masks of each of `windows`, in pixels of the tile. A joined mask has the mean of its parts'
    predicted IoU and stability score, weighted by area, and the point and the crop box of its largest part. The crop
    box of a mask is its tile, or the crop of the tile in which it was found.
    """
    found = [
        TileMask.of(tile, windows[tile], record)
        for tile, records in enumerate(masks)
        for record in records
        if record.area > 0
    ]
    joiner = SeamJoiner(size, windows, found)
    merged = [
        _merged(
            size, [(windows[joiner.masks[place].tile], joiner.masks[place].record) for place in group], joiner, group
        )
        for group in joiner.groups()
    ]
    boxes = np.array([mask.bbox for mask in merged], dtype=np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    scores = np.array([mask.predicted_iou for mask in merged], dtype=np.float32)
    return tuple(merged[place] for place in nms(boxes, scores, nms_thresh))


def _merged(
    size: tuple[int, int], parts: Sequence[tuple[Window, MaskRecord]], joiner: SeamJoiner, group: Sequence[int]
) -> MaskRecord:
    runs = union([joiner.runs(place) for place in group])
    x0, y0, x1, y1 = (float(value) for value in runs.boxes()[0])
    window, largest = max(parts, key=lambda part: part[1].area)
    left, top = window[:2]
    total = sum(record.area for _, record in parts)
    crop = largest.crop_box or (0, 0, window[2] - left, window[3] - top)
    point = largest.point_coords
    return MaskRecord(
        counts=encode_runs(runs)[0],
        size=size,
        area=int(runs.areas()[0]),
        bbox=(x0, y0, x1 - x0, y1 - y0),
        predicted_iou=sum(record.predicted_iou * record.area for _, record in parts) / total,
        stability_score=sum(record.stability_score * record.area for _, record in parts) / total,
        point_coords=(point[0] + left, point[1] + top) if point else None,
        crop_box=(crop[0] + left, crop[1] + top, crop[2], crop[3]),
    )
