"""Matches prompts to the objects found in an image, as FastSAM does.

The rules are `point_prompt` and `box_prompt` of CASIA-IVA-Lab/FastSAM (fastsam/prompt.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from samfleet.masks.record import MaskRecord
from samfleet.masks.rle import encode_mask
from samfleet.variants.task import Prompt
from samfleet_models.mask_generation.candidates import xywh
from samfleet_models.networks.yolo.prototype_masks import Instances

FOREGROUND = 1


def answer(prompt: Prompt, index: int, found: Instances) -> MaskRecord:
    """Return the mask of a point or box prompt, an empty one if no foreground point hits an object."""
    if prompt.box is not None:
        return _of_box(prompt.box, index, found)
    return _of_points(prompt, index, found)


def record_of(found: Instances, row: int, prompt_index: int | None = None) -> MaskRecord:
    masks = found.masks
    return MaskRecord(
        counts=masks.counts[row],
        size=found.size,
        area=int(masks.areas[row]),
        bbox=xywh(masks.boxes[row]),
        predicted_iou=float(found.scores[row]),
        stability_score=float(masks.stability[row]),
        prompt_index=prompt_index,
    )


def _of_box(box: Sequence[float], index: int, found: Instances) -> MaskRecord:
    """Return the object whose mask has the highest IoU with the box, its sides rounded to pixels; the first on ties.

    So a box that touches no object gets the one with the highest score, as in the official code; its predicted IoU is
    then 0.
    """
    if not len(found):
        return _empty(found.size, index)
    height, width = found.size
    x0, y0 = (max(round(side), 0) for side in box[:2])
    x1, y1 = min(round(box[2]), width), min(round(box[3]), height)
    filled = np.zeros(found.size, dtype=np.bool_)
    filled[y0:y1, x0:x1] = True
    ious = _ious(found, filled)
    best = record_of(found, int(ious.argmax()), index)
    return best if ious.any() else replace(best, predicted_iou=0.0)


def _of_points(prompt: Prompt, index: int, found: Instances) -> MaskRecord:
    """Return the union of the objects under foreground points, without those under background points.

    Objects are processed from the largest, so that smaller ones override. Score and stability are those of the
    highest-scoring object under a foreground point.
    """
    hits = [_under(point, found) for point in prompt.points]
    mask = np.zeros(found.size, dtype=np.bool_)
    for row in np.argsort(-found.masks.areas, kind="stable"):
        labels = [label for label, hit in zip(prompt.labels, hits, strict=True) if hit[row]]
        if labels:
            mask[_decoded(found, int(row))] = labels[-1] == FOREGROUND
    wanted = np.logical_or.reduce(
        [np.zeros(len(found), dtype=np.bool_)]
        + [hit for label, hit in zip(prompt.labels, hits, strict=True) if label == FOREGROUND]
    )
    if not mask.any():
        return _empty(found.size, index)
    best = int(np.where(wanted, found.scores, -np.inf).argmax())
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return MaskRecord(
        counts=encode_mask(mask),
        size=found.size,
        area=int(mask.sum()),
        bbox=xywh(np.array([columns[0], rows[0], columns[-1], rows[-1]], dtype=np.float32)),
        predicted_iou=float(found.scores[best]),
        stability_score=float(found.masks.stability[best]),
        prompt_index=index,
    )


def _under(point: tuple[float, float], found: Instances) -> NDArray[np.bool_]:
    """Mark [n] the objects that cover the pixel of a point; a point outside the image uses the nearest pixel."""
    height, width = found.size
    pixel = np.zeros(found.size, dtype=np.bool_)
    pixel[min(max(int(point[1]), 0), height - 1), min(max(int(point[0]), 0), width - 1)] = True
    return _ious(found, pixel) > 0


def _ious(found: Instances, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the IoUs [n] of every object with a mask [height, width]."""
    if not len(found):
        return np.zeros(0)
    other = _code(encode_mask(mask), found.size)
    ious: NDArray[np.float64] = coco_mask.iou(
        [_code(counts, found.size) for counts in found.masks.counts], [other], [0]
    )
    return np.asarray(ious)[:, 0]


def _decoded(found: Instances, row: int) -> NDArray[np.bool_]:
    decoded: NDArray[np.uint8] = coco_mask.decode(_code(found.masks.counts[row], found.size))
    return decoded.view(np.bool_)


def _code(counts: str, size: tuple[int, int]) -> dict[str, Any]:
    return {"size": list(size), "counts": counts.encode("ascii")}


def _empty(size: tuple[int, int], index: int) -> MaskRecord:
    return MaskRecord(
        counts=encode_mask(np.zeros(size, dtype=np.bool_)),
        size=size,
        area=0,
        bbox=(0.0, 0.0, 0.0, 0.0),
        predicted_iou=0.0,
        stability_score=0.0,
        prompt_index=index,
    )
