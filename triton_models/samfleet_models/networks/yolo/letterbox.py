"""Converts an upright RGB image to the input of a detector: scaled, and centred on grey in a rectangle of whole cells.

The rules are those of ultralytics 8.0.120 as FastSAM and MobileSAMv2 run it (`LetterBox` with `auto`, one image shape
per call). The resizing is OpenCV's INTER_LINEAR for 8-bit images; no other library has the same roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.variants.conventions import Preprocessing
from samfleet_models.device.transfers import to_device
from samfleet_models.images.transforms import Pixels, Resized

CELL = 32  # network input pixels per cell of the coarsest grid
GREY = 114
ONE = 2048  # sum of the integer weights of the two neighbours on an axis


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The position of an image in the network input: sides in pixels, (height, width), and its top left corner.

    The input is the smallest rectangle of whole cells around the image scaled to `resized`, whose longest side is the
    network's input size; small images are scaled up.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    corner: tuple[int, int]  # (top, left)
    shape: tuple[int, int]

    @classmethod
    def of(cls, height: int, width: int, input_size: int) -> Letterbox:
        scale = min(input_size / height, input_size / width)
        resized = max(1, round(height * scale)), max(1, round(width * scale))
        rest = [(input_size - side) % CELL for side in resized]
        top, left = (round(pixels / 2 - 0.1) for pixels in rest)
        shape = resized[0] + rest[0], resized[1] + rest[1]
        return cls((height, width), resized, (top, left), shape)


def letterboxed(image: Pixels, box: Letterbox) -> Pixels:
    """Return HWC uint8 of the network input's shape from an HWC uint8 image."""
    out = np.full((*box.shape, image.shape[2]), GREY, dtype=np.uint8)
    (top, left), (height, width) = box.corner, box.resized
    out[top : top + height, left : left + width] = resize_bilinear(image, box.resized)
    return out


def to_pixels(letterboxes: Sequence[Resized], rule: Preprocessing, device: torch.device) -> Tensor:
    """Return [B, 3, H, W] float32 on `device` from HWC uint8 RGB images of one shape."""
    mean, std = (to_device(torch.tensor(values), device).view(3, 1, 1) for values in (rule.mean, rule.std))
    batch = to_device(torch.from_numpy(np.stack(letterboxes)), device).permute(0, 3, 1, 2)
    return ((batch if rule.order == "rgb" else batch.flip(1)) - mean) / std


def resize_bilinear(image: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize HWC uint8 to `size` (height, width) as OpenCV does: two neighbours per axis, also when shrinking.

    Weights are integers of 11 bits. The sums over columns are shifted by 4 bits before they are multiplied by the row
    weights, and each of those products is shifted too (modules/imgproc/src/resize.cpp of opencv/opencv).
    """
    if image.shape[:2] == size:
        return image
    y, y_weights = _neighbours(image.shape[0], size[0])
    x, x_weights = _neighbours(image.shape[1], size[1])
    x_weights[:, x[0] == x[1]] = [[ONE], [0]]  # beyond the outermost centres; rows keep their weights there
    needed, places = np.unique(y, return_inverse=True)
    rows = image[needed].astype(np.int32)
    across = rows[:, x[0]] * x_weights[0][:, None] + rows[:, x[1]] * x_weights[1][:, None]
    across >>= 4
    upper, lower = (across[place] for place in places.reshape(y.shape))
    upper *= y_weights[0][:, None, None]
    lower *= y_weights[1][:, None, None]
    out: Pixels = (((upper >> 16) + (lower >> 16) + 2) >> 2).astype(np.uint8)
    return out


def _neighbours(inner: int, outer: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the two inputs [2, outer] of each output index of an axis, and their weights [2, outer].

    The two weights add up to ONE.
    """
    centres = ((np.arange(outer) + 0.5) * (inner / outer) - 0.5).astype(np.float32)
    first = np.floor(centres).astype(np.int64)
    share = centres - first.astype(np.float32)
    weights = np.rint(np.stack([1 - share, share]) * np.float32(ONE)).astype(np.int32)
    return np.stack([first, first + 1]).clip(0, inner - 1), weights
