"""Converts an upright RGB image to the network's input, exactly as the official code of the family does.

Sources: segment_anything/utils/transforms.py (`ResizeLongestSide`) and modeling/sam.py (`Sam.preprocess`);
sam2/utils/transforms.py and efficient_sam/efficient_sam.py for the stretched ones; nanosam/utils/predictor.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from samfleet.variants.conventions import Preprocessing, Upsampling
from samfleet_models.device.transfers import to_device

Pixels = NDArray[np.uint8]
Resized = NDArray[np.uint8] | NDArray[np.float32]
PILLOW_FILTERS = {"pillow_bilinear": Image.Resampling.BILINEAR, "pillow_bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True, slots=True)
class ImageFrame:
    """The position of one image (or crop) in a square of `input_size` pixels; sides are (height, width) in pixels.

    Prompts and masks use this square. The network's input is the same square, or one of another size filled the same
    way. The image, resized to `resized`, fills the top left corner; the rest is padding. Coordinates are scaled per
    axis by the resized sides, or by `uniform_scale` if it is set. `upsampling`: see `MaskRules`.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    input_size: int
    upsampling: Upsampling = "through_frame"
    uniform_scale: float | None = None

    @classmethod
    def of(
        cls,
        height: int,
        width: int,
        input_size: int,
        rule: Preprocessing | None = None,
        upsampling: Upsampling = "through_frame",
    ) -> ImageFrame:
        """Make the frame with the rule's way of resizing, or SAM's without a rule."""
        rule = rule or Preprocessing()
        uniform = input_size / max(height, width) if rule.rounding == "floor" else None
        return cls((height, width), resized_size(height, width, input_size, rule), input_size, upsampling, uniform)

    def to_input(self, coords: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert pixel coordinates [..., 2] (x, y) of the original to the frame of the network input."""
        (height, width), (new_height, new_width) = self.original, self.resized
        scale = [new_width / width, new_height / height] if self.uniform_scale is None else [self.uniform_scale] * 2
        scaled: NDArray[np.float64] = coords * np.array(scale)
        return scaled


def resized_size(height: int, width: int, input_size: int, rule: Preprocessing) -> tuple[int, int]:
    """Return (height, width) in a square of `input_size`; a thin image keeps at least one pixel."""
    if rule.resize == "stretch":
        return input_size, input_size
    if rule.rounding == "floor":
        return _floored_size(height, width, input_size)
    scale = input_size * 1.0 / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def _floored_size(height: int, width: int, input_size: int) -> tuple[int, int]:
    """Compute the size as `preprocess_image` does (nanosam/utils/predictor.py).

    Other orders of the operations round 49/49 of 1024 down to 1023.
    """
    aspect = width / height
    if aspect >= 1:
        return max(1, int(input_size / aspect)), input_size
    return input_size, max(1, int(input_size * aspect))


def resize_to_frame(image: Pixels, frame: ImageFrame) -> Pixels:
    """Resize HWC uint8 RGB with Pillow's antialiased bilinear filter; returns HWC uint8."""
    return _by_pillow(image, frame.resized, Image.Resampling.BILINEAR)


def resize_image(image: Pixels, input_size: int, rule: Preprocessing) -> Resized:
    """Return HWC RGB of the network's input without padding.

    It is uint8, or float32 in [0, 255] if floats are resized.
    """
    height, width, _ = image.shape
    size = resized_size(height, width, input_size, rule)
    if rule.filter in PILLOW_FILTERS:
        return _by_pillow(image, size, PILLOW_FILTERS[rule.filter])
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    if size != (height, width):
        antialias = rule.filter == "float_antialiased"
        pixels = functional.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=antialias)
    resized: NDArray[np.float32] = pixels[0].permute(1, 2, 0).numpy()
    return resized


def to_network_input(resized: Sequence[Resized], input_size: int, rule: Preprocessing, device: torch.device) -> Tensor:
    """Return [B, 3, S, S] float32 on `device` from resized HWC RGB images: first normalised, then padded with zeros."""
    mean, std = (to_device(torch.tensor(values), device).view(3, 1, 1) for values in (rule.mean, rule.std))
    batch = torch.zeros(len(resized), 3, input_size, input_size, device=device)
    for row, image in zip(batch, resized, strict=True):
        pixels = to_device(torch.from_numpy(image), device).permute(2, 0, 1)
        row[:, : image.shape[0], : image.shape[1]] = (pixels - mean) / std
    return batch


def _by_pillow(image: Pixels, size: tuple[int, int], resampling: Image.Resampling) -> Pixels:
    height, width = size
    return np.array(Image.fromarray(image).resize((width, height), resampling))
