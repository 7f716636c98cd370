"""Point grids and crop boxes of the automatic mask generator (segment_anything/utils/amg.py)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Crop:
    """A part of the image, (x0, y0, x1, y1) in pixels, ends excluded; `layer` 0 is the whole image."""

    box: tuple[int, int, int, int]
    layer: int

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        x0, y0, x1, y1 = self.box
        return y1 - y0, x1 - x0


def point_grid(points_per_side: int) -> NDArray[np.float64]:
    """Return a grid [n * n, 2] (x, y) in (0, 1), row by row. The outer points are half a step from the edge."""
    offset = 1 / (2 * points_per_side)
    side = np.linspace(offset, 1 - offset, points_per_side)
    x, y = np.meshgrid(side, side)
    points: NDArray[np.float64] = np.stack([x, y], axis=-1).reshape(-1, 2)
    return points


def pixels_of(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int64]:
    """Return [n, 2] (x, y): the pixels that contain `points` in (0, 1), in an image of `size` (height, width)."""
    pixels: NDArray[np.int64] = (points * np.array(size[::-1])).astype(np.int64)
    return pixels


def layer_points_per_side(points_per_side: int, downscale: int, layer: int) -> int:
    """Return the points per side in a crop of `layer`: at least one, where the official code would divide by zero."""
    return max(1, int(points_per_side / downscale**layer))


def crops(height: int, width: int, layers: int, overlap_ratio: float) -> list[Crop]:
    """Return the whole image, then per layer i = 1.. the (2^i)^2 overlapping crops, column by column.

    Neighbours of the first layer overlap by `overlap_ratio` of the short side; later layers overlap proportionally
    less. Crops without pixels, which occur in small images, are omitted.
    """
    found = [Crop((0, 0, width, height), 0)]
    for layer in range(1, layers + 1):
        count = 2**layer
        overlap = int(overlap_ratio * min(height, width) * (2 / count))
        crop_width, crop_height = (math.ceil((overlap * (count - 1) + side) / count) for side in (width, height))
        lefts = [(crop_width - overlap) * i for i in range(count)]
        tops = [(crop_height - overlap) * i for i in range(count)]
        found += [
            Crop((x, y, min(x + crop_width, width), min(y + crop_height, height)), layer)
            for x, y in product(lefts, tops)
            if x < width and y < height
        ]
    return found
