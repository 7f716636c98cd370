"""Low-resolution logits at full resolution, as `Frame.upsampling` says: of whole masks, and of single pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from samfleet.variants.conventions import Upsampling
from samfleet_models.preprocess import Frame

Indices = NDArray[np.int64]
UPSCALING = 4  # the network's input is so many times as wide as its logits
PATCH = (6, 28)  # low-resolution pixels: what two neighbouring input pixels depend on, and SMALL_KERNEL exceeded
SMALL_KERNEL = 128  # torch rounds otherwise where output height + width are no more (_use_vectorized_kernel_cond_2d)
PIXELS_AT_A_TIME = 8  # of `pixel_logits`: its work tensors stay in the cache


def upscale(low_res: Tensor, frame: Frame) -> Tensor:
    """Logits [n, h, w] of the original image."""
    return UPSAMPLERS[frame.upsampling](low_res, frame)


def _through_frame(low_res: Tensor, frame: Frame) -> Tensor:
    """To the frame's size, padding cut off, to the original size: `Sam.postprocess_masks` of modeling/sam.py."""
    inside = resized(low_res, (frame.input_size, frame.input_size))[..., : frame.resized[0], : frame.resized[1]]
    return resized(inside, frame.original)


def _direct(low_res: Tensor, frame: Frame) -> Tensor:
    return resized(low_res, frame.original)


def _direct_bicubic(low_res: Tensor, frame: Frame) -> Tensor:
    return resized(low_res, frame.original, "bicubic")


def _cropped(low_res: Tensor, frame: Frame) -> Tensor:
    """The image's share of the logits, its sides truncated (`upscale_mask` of nanosam/utils/predictor.py)."""
    height, width = cropped_size(low_res.shape[1:], frame)
    return resized(low_res[:, :height, :width], frame.original)


UPSAMPLERS: dict[Upsampling, Callable[[Tensor, Frame], Tensor]] = {
    "through_frame": _through_frame,
    "direct": _direct,
    "direct_bicubic": _direct_bicubic,
    "cropped": _cropped,
}


def cropped_size(low: Sequence[int], frame: Frame) -> tuple[int, int]:
    """(height, width) of an image's share of logits of the size `low`."""
    height, width = (int(side * part / max(frame.original)) for side, part in zip(low, frame.original, strict=True))
    return max(1, height), max(1, width)


def resized(maps: Tensor, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """[n, h, w] at another size, pixels being areas and not points."""
    return functional.interpolate(maps[None], size, mode=mode, align_corners=False)[0]


@dataclass(frozen=True, slots=True)
class Taps:
    """One axis of an interpolation: output i is the sum over t of weights[t, i] * input[indices[t, i]]."""

    indices: Indices
    weights: NDArray[np.float64]

    def then(self, after: Taps) -> Taps:
        """Both interpolations in one, its taps being neighbours from the lowest input on."""
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
def bilinear_taps(inputs: int, outputs: int) -> Taps:
    """Of one axis, with torch's own weights: read off what it makes of the unit vectors."""
    units = resized(torch.eye(inputs)[None], (outputs, inputs))[0].numpy()
    first = (units != 0).argmax(axis=1)
    second = np.minimum(first + 1, inputs - 1)
    rows = np.arange(outputs)
    weights = np.stack([units[rows, first], np.where(second > first, units[rows, second], 0)])
    return Taps(np.stack([first, second]), weights.astype(np.float64))


@lru_cache(maxsize=32)
def bilinear_indices(inputs: int, outputs: int) -> Tensor:
    return torch.from_numpy(bilinear_taps(inputs, outputs).indices)


@lru_cache(maxsize=32)
def bicubic_taps(inputs: int, outputs: int) -> Taps:
    """Of one axis: dense, for torch's own weights are negative in part and meet at the borders."""
    units = resized(torch.eye(inputs)[None], (outputs, inputs), "bicubic")[0].numpy()
    return Taps(np.arange(inputs)[:, None].repeat(outputs, axis=1), units.T.astype(np.float64))


@lru_cache(maxsize=32)
def two_step_taps(low: int, full: int, inside: int, original: int) -> Taps:
    """One axis of `upscale` through the frame: `low` to `full` pixels, of which the first `inside` go to `original`."""
    return bilinear_taps(low, full).then(bilinear_taps(inside, original))


def upscaling_taps(low: tuple[int, int], frame: Frame, axis: int) -> Taps:
    """One axis (0: y, 1: x) of `upscale` on logits of the size `low`."""
    original = frame.original[axis]
    match frame.upsampling:
        case "through_frame":
            return two_step_taps(low[axis], frame.input_size, frame.resized[axis], original)
        case "direct":
            return bilinear_taps(low[axis], original)
        case "direct_bicubic":
            return bicubic_taps(low[axis], original)
        case "cropped":
            return bilinear_taps(cropped_size(low, frame)[axis], original)


def pixelwise(low_res: Tensor, frame: Frame) -> bool:
    """Whether `pixel_logits` meets the kernel that `upscale` meets."""
    if frame.upsampling != "through_frame":
        return False
    whole_ratio = {UPSCALING * side for side in low_res.shape[1:]} == {frame.input_size}
    return whole_ratio and UPSCALING * sum(PATCH) <= 2 * frame.input_size and min(frame.original) >= SMALL_KERNEL


def pixel_logits(low_res: Tensor, frame: Frame, masks: Indices, y: Indices, x: Indices) -> Tensor:
    """`upscale(low_res, frame)[masks, y, x]` to the last bit, without drawing the masks.

    torch's kernels interpolate along rows, round, and then down columns, so each axis can be done alone by the same
    kernel, with all values but the few in question left out. Only for frames that `pixelwise` accepts.
    """
    if not len(masks):
        return low_res.new_zeros(0)
    places = torch.from_numpy(np.stack([masks, y, x]))
    return torch.cat([_pixel_logits(low_res, frame, *block) for block in torch.split(places, PIXELS_AT_A_TIME, 1)])


def _pixel_logits(low_res: Tensor, frame: Frame, masks: Tensor, y: Tensor, x: Tensor) -> Tensor:
    inside, original = frame.resized, frame.original
    rows = bilinear_indices(inside[0], original[0])[:, y]  # [2, k] of the input frame
    columns = bilinear_indices(inside[1], original[1])[:, x]
    values = _input_logits(low_res, masks, rows, columns)  # [k, 2, 2]
    values = _spread(values.transpose(1, 2), columns, inside[1]).transpose(1, 2)  # [k, 2, inside]
    k = torch.arange(len(masks))
    values = resized(values.contiguous(), (2, original[1]))[k, :, x]  # [k, 2]
    values = _spread(values[..., None], rows, inside[0])  # [k, inside, 1]
    return resized(values, (original[0], 1))[k, y, 0]


def _input_logits(low_res: Tensor, masks: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[k, 2, 2] of the input frame, from patches: UPSCALING is a power of two, so each repeats the same weights."""
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
    """[k, length, c] of zeros with `values` [k, p, c] at `places` [p, k]; equal places carry equal values."""
    spread = values.new_zeros(len(values), length, values.shape[2])
    spread[torch.arange(len(values))[:, None], places.T] = values
    return spread
