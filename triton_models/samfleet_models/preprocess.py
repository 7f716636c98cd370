"""From an upright RGB image to the network's input, exactly as the official code of the family does it.

Source: segment_anything/utils/transforms.py (`ResizeLongestSide`) and modeling/sam.py (`Sam.preprocess`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from samfleet.variants.record import Preprocessing

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """How one image (or crop) lies in the square network input: sides in pixels, (height, width).

    The image resized to `resized` fills the top left corner of the `input_size` square; the rest is padding.
    """

    original: tuple[int, int]
    resized: tuple[int, int]
    input_size: int

    @classmethod
    def of(cls, height: int, width: int, input_size: int) -> Frame:
        """Longest side to `input_size`, sides rounded by int(x + 0.5); at least one pixel remains of a thin image."""
        scale = input_size * 1.0 / max(height, width)
        resized = (max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5)))
        return cls((height, width), resized, input_size)

    def to_input(self, coords: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pixel coordinates [..., 2] (x, y) of the original, in the frame of the network input."""
        (height, width), (new_height, new_width) = self.original, self.resized
        scaled: NDArray[np.float64] = coords * np.array([new_width / width, new_height / height])
        return scaled


def resize_to_frame(image: Pixels, frame: Frame) -> Pixels:
    """HWC uint8 RGB resized by Pillow's antialiased bilinear filter, HWC uint8."""
    height, width = frame.resized
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def to_network_input(resized: Sequence[Pixels], input_size: int, rule: Preprocessing, device: torch.device) -> Tensor:
    """[B, 3, S, S] float32 on `device` from resized HWC uint8 RGB images: normalised first, then padded with zeros."""
    mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in (rule.mean, rule.std))
    batch = torch.zeros(len(resized), 3, input_size, input_size, device=device)
    for row, image in zip(batch, resized, strict=True):
        pixels = torch.from_numpy(image).to(device).permute(2, 0, 1)
        row[:, : image.shape[0], : image.shape[1]] = (pixels - mean) / std
    return batch
