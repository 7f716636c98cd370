"""The region of an image that the network sees for a box, and the mask of an image from the network's logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from samfleet_models.images.transforms import Pixels

Box = tuple[float, float, float, float]
RegionKind = Literal["square", "window"]
MARGIN = 0.1  # of a box's sides, added on each side


@dataclass(frozen=True, slots=True)
class Region:
    """Pixels x0 <= x < x1 and y0 <= y < y1 of an image; empty if the box lies outside of it."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def empty(self) -> bool:
        return self.x0 >= self.x1 or self.y0 >= self.y1

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.y1 - self.y0, self.x1 - self.x0


def square_region(box: Box, size: tuple[int, int], side: int) -> Region:
    """Return the square around a box (x0, y0, x1, y1) with a margin, cut to the image of `size` (height, width).

    Source: `pad_bbox_to_square` of pbonazzi/picosam3 (model_compression/utils.py), in the order of its operations:
    sides are rounded towards 0, so a different rounding of a sum can move the region by a pixel. `side` is unused.
    """
    del side
    (x0, y0, x1, y1), (height, width) = box, size
    across, down = (x1 - x0) * MARGIN, (y1 - y0) * MARGIN
    left, top = x0 - across, y0 - down
    padded_width, padded_height = (x1 - x0) + 2 * across, (y1 - y0) + 2 * down
    longest = max(padded_width, padded_height)
    left, top = left + padded_width / 2 - longest / 2, top + padded_height / 2 - longest / 2
    right, bottom = min(float(width), left + longest), min(float(height), top + longest)
    return Region(int(max(0.0, left)), int(max(0.0, top)), int(right), int(bottom))


def window_region(box: Box, size: tuple[int, int], side: int) -> Region:
    """Return the window of `side` pixels around the middle of a box, cut to the image of `size` (height, width).

    Source: the data set of pbonazzi/picosam2 (model_compression/picosam2_model_distillation.py), whose window is
    around a point of the object: at the left and top it moves into the image, at the right and bottom it is cut.
    """
    (x0, y0, x1, y1), (height, width) = box, size
    left, top = (max(0, int((low + high) // 2) - side // 2) for low, high in ((x0, x1), (y0, y1)))
    return Region(left, top, min(width, left + side), min(height, top + side))


REGIONS: Mapping[RegionKind, Callable[[Box, tuple[int, int], int], Region]] = {
    "square": square_region,
    "window": window_region,
}


def cut(image: Pixels, region: Region, side: int) -> Pixels:
    """Return the region [side, side, 3] uint8 of an image HWC, resized by Pillow's bilinear filter."""
    part = Image.fromarray(image[region.y0 : region.y1, region.x0 : region.x1])
    return np.array(part.resize((side, side), Image.Resampling.BILINEAR))


def paste(logits: Tensor, region: Region, size: tuple[int, int], thresholds: tuple[float, ...]) -> NDArray[np.bool_]:
    """Return masks [n, height, width] of an image of `size`, one for each threshold of the logits.

    `logits` [S, S] become probabilities first and are then resized to the region, as in the official demo. A pixel is
    in a mask if its probability is above that of the threshold.
    """
    masks = np.zeros((len(thresholds), *size), dtype=np.bool_)
    if not region.empty:
        resized = functional.interpolate(logits.sigmoid()[None, None], region.size, mode="bilinear")[0]
        above = torch.tensor(thresholds, device=logits.device).sigmoid()[:, None, None]
        masks[:, region.y0 : region.y1, region.x0 : region.x1] = (resized > above).cpu().numpy()
    return masks
