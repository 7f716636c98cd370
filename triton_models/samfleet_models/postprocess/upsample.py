"""Upsamples low-resolution logits as `ImageFrame.upsampling` specifies: whole masks, or single pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from samfleet_models.images.transforms import ImageFrame

Indices = NDArray[np.int64]
Interpolation = Literal["bilinear", "bicubic"]
TAPS: dict[Interpolation, int] = {"bilinear": 2, "bicubic": 4}
OVERSHOOT: dict[Interpolation, float] = {"bilinear": 1.0, "bicubic": 1.375}  # upper bound of the sum of |weights|
UPSCALING = 4  # width of the network's input over that of its logits
PATCH = (6, 28)  # low-resolution pixels: two adjacent input pixels depend on them, and SMALL_KERNEL is exceeded
SMALL_KERNEL = 128  # torch rounds differently up to this output height + width (_use_vectorized_kernel_cond_2d)
PIXELS_AT_A_TIME = 8  # in `pixel_logits`: its work tensors stay in the cache


def upscale(low_res: Tensor, frame: ImageFrame) -> Tensor:
    """Return the logits [n, h, w] of the original image.

    `through_frame` is `Sam.postprocess_masks` (modeling/sam.py): to the frame's size, padding cut off, to the original.
    `cropped` takes the image's share of the logits (`upscale_mask` of nanosam/utils/predictor.py).
    """
    (height, width), interpolation = last_step(low_res.shape[1:], frame)
    if frame.upsampling == "through_frame":
        low_res = resized(low_res, (frame.input_size, frame.input_size))
    return resized(low_res[:, :height, :width], frame.original, interpolation)


def last_step(low: Sequence[int], frame: ImageFrame) -> tuple[tuple[int, int], Interpolation]:
    """Return the (height, width) that `upscale` interpolates to the original, and the method.

    `low` is the size of the logits.
    """
    match frame.upsampling:
        case "through_frame":
            return frame.resized, "bilinear"
        case "direct":
            return (low[0], low[1]), "bilinear"
        case "direct_bicubic":
            return (low[0], low[1]), "bicubic"
        case "cropped":
            return cropped_size(low, frame), "bilinear"


def cropped_size(low: Sequence[int], frame: ImageFrame) -> tuple[int, int]:
    """Return the (height, width) of an image's share of logits of the size `low`."""
    height, width = (int(side * part / max(frame.original)) for side, part in zip(low, frame.original, strict=True))
    return max(1, height), max(1, width)


def resized(maps: Tensor, size: tuple[int, int], interpolation: Interpolation = "bilinear") -> Tensor:
    """Resize [n, h, w] with pixels as areas, not points.

    Uses a batch of single channels: on one thread torch rounds three channels differently.
    """
    return functional.interpolate(maps[:, None], size, mode=interpolation, align_corners=False)[:, 0]


@dataclass(frozen=True, slots=True)
class Taps:
    """One axis of an interpolation: output i is the sum over t of weights[t, i] * input[indices[t, i]]."""

    indices: Indices
    weights: NDArray[np.float64]

    def then(self, after: Taps) -> Taps:
        """Merge both interpolations into one. Its taps are consecutive inputs from the lowest on."""
        indices = self.indices[:, after.indices].reshape(-1, after.indices.shape[1])  # [taps * taps, n]
        weights = (self.weights[:, after.indices] * after.weights).reshape(indices.shape)
        lowest = indices.min(axis=0)
        reach = int((indices - lowest).max()) + 1
        joined = np.zeros((reach, len(lowest)))
        for index, weight in zip(indices - lowest, weights, strict=True):
            joined[index, np.arange(len(lowest))] += weight
        last = int(self.indices.max())
        return Taps(np.minimum(lowest + np.arange(reach)[:, None], last), joined)


@lru_cache(maxsize=32)
def resizing_taps(inputs: int, outputs: int, interpolation: Interpolation) -> Taps:
    """Return the taps of one axis: consecutive inputs with torch's weights, read from resized unit vectors."""
    units = resized(torch.eye(inputs)[None], (outputs, inputs), interpolation)[0].numpy()
    lowest = (units != 0).argmax(axis=1)
    lowest = np.minimum.accumulate(lowest[::-1])[::-1]  # bicubic weights may be 0 where a later output's are not
    places = lowest + np.arange(TAPS[interpolation])[:, None]
    indices = np.minimum(places, inputs - 1)
    weights = np.where(places < inputs, units[np.arange(outputs), indices], 0)
    return Taps(indices, weights.astype(np.float64))


@lru_cache(maxsize=32)
def resizing_indices(inputs: int, outputs: int, interpolation: Interpolation) -> Tensor:
    return torch.from_numpy(resizing_taps(inputs, outputs, interpolation).indices)


@lru_cache(maxsize=32)
def two_step_taps(low: int, full: int, inside: int, original: int) -> Taps:
    """Return one axis of `upscale` through the frame: `low` to `full` pixels, then the first `inside` to `original`."""
    return resizing_taps(low, full, "bilinear").then(resizing_taps(inside, original, "bilinear"))


def upscaling_taps(low: Sequence[int], frame: ImageFrame, axis: int) -> Taps:
    """Return one axis (0: y, 1: x) of `upscale` on logits of the size `low`."""
    inside, interpolation = last_step(low, frame)
    if frame.upsampling == "through_frame":
        return two_step_taps(low[axis], frame.input_size, inside[axis], frame.original[axis])
    return resizing_taps(inside[axis], frame.original[axis], interpolation)


def pixelwise(low_res: Tensor, frame: ImageFrame) -> bool:
    """Test whether `pixel_logits` uses the same kernel as `upscale`; for bicubic, torch has only one."""
    if frame.upsampling == "direct_bicubic":
        return True
    if min(frame.original) < SMALL_KERNEL:
        return False
    if frame.upsampling != "through_frame":
        return True
    whole_ratio = {UPSCALING * side for side in low_res.shape[1:]} == {frame.input_size}
    return whole_ratio and UPSCALING * sum(PATCH) <= 2 * frame.input_size


def pixel_logits(low_res: Tensor, frame: ImageFrame, masks: Indices, y: Indices, x: Indices) -> Tensor:
    """Return `upscale(low_res, frame)[masks, y, x]` to the last bit, without drawing the masks.

    torch's kernels interpolate along rows, round, and then down columns. So the same kernel can process each axis
    alone, with only the values in question. Only for frames that `pixelwise` accepts.
    """
    if not len(masks):
        return low_res.new_zeros(0)
    places = torch.from_numpy(np.stack([masks, y, x]))
    return torch.cat([_pixel_logits(low_res, frame, *block) for block in torch.split(places, PIXELS_AT_A_TIME, 1)])


def _pixel_logits(low_res: Tensor, frame: ImageFrame, masks: Tensor, y: Tensor, x: Tensor) -> Tensor:
    (height, width), interpolation = last_step(low_res.shape[1:], frame)
    rows = resizing_indices(height, frame.original[0], interpolation)[:, y]  # [taps, k] input rows of the last step
    columns = resizing_indices(width, frame.original[1], interpolation)[:, x]
    if frame.upsampling == "through_frame":
        values = _input_logits(low_res, masks, rows, columns)  # [k, taps, taps]
    else:
        values = low_res[masks[:, None, None], rows.T[:, :, None], columns.T[:, None, :]]
    values = _spread(values.transpose(1, 2), columns, width).transpose(1, 2)  # [k, taps, width]
    k = torch.arange(len(masks))
    values = resized(values.contiguous(), (len(rows), frame.original[1]), interpolation)[k, :, x]  # [k, taps]
    values = _spread(values[..., None], rows, height)  # [k, height, 1]
    return resized(values, (frame.original[0], 1), interpolation)[k, y, 0]


def _input_logits(low_res: Tensor, masks: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return [k, 2, 2] of the input frame, from patches.

    UPSCALING is a power of two, so each patch repeats the same weights.
    """
    patch = [min(part, side) for part, side in zip(PATCH, low_res.shape[1:], strict=True)]
    corners = [
        (first[0] // UPSCALING - part // 2 + 1).clamp(0, side - part)
        for first, side, part in zip((rows, columns), low_res.shape[1:], patch, strict=True)
    ]
    row, column = (corner[:, None] + torch.arange(part) for corner, part in zip(corners, patch, strict=True))
    patches = low_res[masks[:, None, None], row[:, :, None], column[:, None, :]]
    full = resized(patches, (UPSCALING * patch[0], UPSCALING * patch[1]))
    row, column = (rows - UPSCALING * corners[0]).T, (columns - UPSCALING * corners[1]).T
    return full[torch.arange(len(masks))[:, None, None], row[:, :, None], column[:, None, :]]


def _spread(values: Tensor, places: Tensor, length: int) -> Tensor:
    """Return [k, length, c] zeros with `values` [k, p, c] at `places` [p, k]; equal places have equal values."""
    spread = values.new_zeros(len(values), length, values.shape[2])
    spread[torch.arange(len(values))[:, None], places.T] = values
    return spread
