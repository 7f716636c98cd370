"""Reads the decoder's low-resolution logits: full-resolution masks, their stability, boxes, areas and codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from samfleet.masks.rle import encode_columns
from samfleet_models.preprocess import Frame

MASK_THRESHOLD = 0.0
SLICE_BYTES = {"cpu": 128 * 2**20, "cuda": 2 * 2**30}
EDGE_TOLERANCE = 20.0  # pixels; is_box_near_crop_edge of segment_anything/utils/amg.py


@dataclass(frozen=True, slots=True)
class Selection:
    """Which masks are read on. None keeps all; `stability_offset` is used for the score in any case."""

    stability_offset: float = 1.0
    stability_thresh: float | None = None
    drop_cut_by_crop: bool = False


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a frame's masks lie in the whole image: the crop (x0, y0, x1, y1) and the image's (height, width)."""

    crop: tuple[int, int, int, int]
    image: tuple[int, int]

    @classmethod
    def whole(cls, height: int, width: int) -> Placement:
        return cls((0, 0, width, height), (height, width))


@dataclass(frozen=True, slots=True)
class ReadMasks:
    """Masks in the whole image's pixels, in the order of their logits.

    `source` is each mask's row in the logits, `boxes` (x0, y0, x1, y1) with inclusive maxima, zeros for an empty mask.
    """

    source: NDArray[np.int64]
    counts: list[str]
    boxes: NDArray[np.float32]
    areas: NDArray[np.int64]
    stability: NDArray[np.float32]

    def take(self, rows: NDArray[np.int64]) -> ReadMasks:
        return ReadMasks(
            source=self.source[rows],
            counts=[self.counts[row] for row in rows],
            boxes=self.boxes[rows],
            areas=self.areas[rows],
            stability=self.stability[rows],
        )

    @classmethod
    def joined(cls, parts: list[ReadMasks]) -> ReadMasks:
        return cls(
            source=np.concatenate([np.zeros(0, np.int64), *(part.source for part in parts)]),
            counts=[counts for part in parts for counts in part.counts],
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *(part.boxes for part in parts)]),
            areas=np.concatenate([np.zeros(0, np.int64), *(part.areas for part in parts)]),
            stability=np.concatenate([np.zeros(0, np.float32), *(part.stability for part in parts)]),
        )


def read_masks(low_res: Tensor, frame: Frame, placement: Placement, selection: Selection) -> ReadMasks:
    """Masks of `low_res` logits [n, S/4, S/4], a bounded number at full resolution at a time."""
    parts = [
        _read_slice(low_res[rows], rows, frame, placement, selection)
        for rows in _slices(len(low_res), frame, placement, low_res.device.type)
    ]
    return ReadMasks.joined(parts)


def upscale(low_res: Tensor, frame: Frame) -> Tensor:
    """Logits [n, h, w] of the original image: to the input size, padding cut off, to the original size, bilinear.

    `Sam.postprocess_masks` of segment_anything/modeling/sam.py.
    """
    full = functional.interpolate(
        low_res[None], (frame.input_size, frame.input_size), mode="bilinear", align_corners=False
    )
    inside = full[..., : frame.resized[0], : frame.resized[1]]
    return functional.interpolate(inside, frame.original, mode="bilinear", align_corners=False)[0]


def stability_scores(logits: Tensor, offset: float) -> Tensor:
    """Per mask of [n, h, w]: pixels above the threshold + offset, over pixels above the threshold - offset.

    0 where neither has any, for which the official code gives NaN.
    """
    high = (logits > MASK_THRESHOLD + offset).sum((-2, -1), dtype=torch.int32)
    low = (logits > MASK_THRESHOLD - offset).sum((-2, -1), dtype=torch.int32)
    return (high / low).nan_to_num(0.0)


def mask_boxes(masks: Tensor) -> Tensor:
    """[n, 4] int64 (x0, y0, x1, y1), inclusive, of bool masks [n, h, w]; zeros for an empty mask."""
    rows, columns = masks.any(2).byte(), masks.any(1).byte()
    ends = [
        columns.argmax(1),
        rows.argmax(1),
        columns.shape[1] - 1 - columns.flip(1).argmax(1),
        rows.shape[1] - 1 - rows.flip(1).argmax(1),
    ]
    return torch.stack(ends, dim=1) * rows.any(1, keepdim=True)


def cut_by_crop(boxes: NDArray[np.float32], placement: Placement) -> NDArray[np.bool_]:
    """Which boxes (whole image) touch an edge of the crop that is no edge of the image: objects cut in two."""
    height, width = placement.image
    image = np.array([0, 0, width, height], dtype=np.float32)
    crop = np.array(placement.crop, dtype=np.float32)
    near_crop, near_image = (np.abs(boxes - edges) <= EDGE_TOLERANCE for edges in (crop, image))
    return np.asarray((near_crop & ~near_image).any(axis=1))


def _read_slice(low_res: Tensor, rows: slice, frame: Frame, placement: Placement, selection: Selection) -> ReadMasks:
    logits = upscale(low_res, frame)
    stability = stability_scores(logits, selection.stability_offset)
    keep = torch.ones_like(stability, dtype=torch.bool)
    if selection.stability_thresh is not None:
        keep = stability >= selection.stability_thresh
    masks = logits[keep] > MASK_THRESHOLD
    x0, y0, _, _ = placement.crop
    boxes = mask_boxes(masks).cpu().numpy().astype(np.float32) + np.array([x0, y0, x0, y0], dtype=np.float32)
    uncut = ~cut_by_crop(boxes, placement) if selection.drop_cut_by_crop else np.ones(len(boxes), dtype=bool)
    masks = masks[torch.from_numpy(uncut).to(masks.device)]
    source = np.arange(rows.start, rows.stop)[keep.cpu().numpy()]
    return ReadMasks(
        source=source[uncut],
        counts=encode_columns(_whole_columns(masks, placement)),
        boxes=boxes[uncut],
        areas=masks.sum((1, 2)).cpu().numpy(),
        stability=stability[keep].cpu().numpy()[uncut],
    )


def _whole_columns(masks: Tensor, placement: Placement) -> NDArray[np.uint8]:
    """[n, W, H] uint8 on the host: the crop's masks put into the whole image, transposed for the run-length code."""
    height, width = placement.image
    x0, y0, x1, y1 = placement.crop
    whole = functional.pad(masks, (x0, width - x1, y0, height - y1))
    columns: NDArray[np.uint8] = whole.transpose(1, 2).contiguous().view(torch.uint8).cpu().numpy()
    return columns


def _slices(count: int, frame: Frame, placement: Placement, device: str) -> Iterator[slice]:
    height, width = placement.image
    per_mask = 4 * frame.input_size**2 + 8 * height * width  # float32 at input size, then float32 and copies of bools
    size = max(1, SLICE_BYTES[device] // per_mask)
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
