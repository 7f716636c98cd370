"""The slow path of mask encoding: every logit at full resolution, one mask after another, encoded by pycocotools."""

from __future__ import annotations

import numpy as np
import torch
from pycocotools import mask as coco_mask
from torch.nn import functional

from samfleet_models.images.transforms import ImageFrame
from samfleet_models.postprocess.masks import CropPlacement, EncodedMasks, Selection, cut_by_crop


def full_logits(low_res: torch.Tensor, frame: ImageFrame) -> torch.Tensor:
    """Apply `Sam.postprocess_masks` of segment_anything/modeling/sam.py, or the single step of other families."""
    logits = low_res[:, None]
    if frame.upsampling == "through_frame":
        logits = functional.interpolate(logits, (frame.input_size,) * 2, mode="bilinear", align_corners=False)
        logits = logits[..., : frame.resized[0], : frame.resized[1]]
    if frame.upsampling == "cropped":
        longest = max(frame.original)
        height, width = (max(1, int(low_res.shape[1] * side / longest)) for side in frame.original)
        logits = logits[..., :height, :width]
    mode = "bicubic" if frame.upsampling == "direct_bicubic" else "bilinear"
    return functional.interpolate(logits, frame.original, mode=mode, align_corners=False)[:, 0]


def read_masks_slowly(
    low_res: torch.Tensor, frame: ImageFrame, placement: CropPlacement, selection: Selection
) -> EncodedMasks:
    parts = [_read_one(low_res[row : row + 1], row, frame, placement, selection) for row in range(len(low_res))]
    return EncodedMasks.joined(parts)


def _read_one(
    low_res: torch.Tensor, row: int, frame: ImageFrame, placement: CropPlacement, selection: Selection
) -> EncodedMasks:
    logits = full_logits(low_res, frame)
    high = (logits > selection.stability_offset).sum((-2, -1), dtype=torch.int32)
    low = (logits > -selection.stability_offset).sum((-2, -1), dtype=torch.int32)
    stability = (high / low).nan_to_num(0.0)
    if selection.stability_thresh is not None and not bool(stability >= selection.stability_thresh):
        return EncodedMasks.joined([])
    mask = (logits > 0)[0].numpy()
    x0, y0, x1, y1 = placement.crop
    box = np.zeros((1, 4), dtype=np.float32)
    if mask.any():
        y, x = mask.nonzero()
        box[0] = x.min(), y.min(), x.max(), y.max()
    box += np.array([x0, y0, x0, y0], dtype=np.float32)
    if selection.drop_cut_by_crop and cut_by_crop(box, placement)[0]:
        return EncodedMasks.joined([])
    whole = np.zeros(placement.image, dtype=np.uint8, order="F")
    whole[y0:y1, x0:x1] = mask
    return EncodedMasks(
        source=np.array([row]),
        counts=[coco_mask.encode(whole)["counts"].decode()],
        boxes=box,
        areas=np.array([mask.sum()]),
        stability=stability.numpy(),
    )
