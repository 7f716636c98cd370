"""PicoSAM's way from a box to a mask of the image, pixel by pixel, written from its published description."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Box = tuple[float, float, float, float]
Sides = tuple[int, int, int, int]  # x0, y0, x1, y1, ends excluded


def square_slowly(box: Box, width: int, height: int) -> Sides:
    """Pad the box by a tenth of its sides, extend it to a square, cut that to the image, and truncate."""
    x, y, w, h = box[0], box[1], box[2] - box[0], box[3] - box[1]
    x, y, w, h = x - w * 0.1, y - h * 0.1, w + 2 * (w * 0.1), h + 2 * (h * 0.1)
    size = max(w, h)
    x1, y1 = x + w / 2 - size / 2, y + h / 2 - size / 2
    sides = max(0, x1), max(0, y1), min(width, x1 + size), min(height, y1 + size)
    return math.trunc(sides[0]), math.trunc(sides[1]), math.trunc(sides[2]), math.trunc(sides[3])


def window_slowly(box: Box, width: int, height: int) -> Sides:
    """Put a window of 96 pixels around the middle; it starts inside the image and ends at its edge."""
    x = math.trunc((box[0] + box[2]) // 2) - 48
    y = math.trunc((box[1] + box[3]) // 2) - 48
    x, y = max(x, 0), max(y, 0)
    return x, y, min(x + 96, width), min(y + 96, height)


def mask_slowly(
    image: NDArray[np.uint8], sides: Sides, logits_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
) -> NDArray[np.bool_]:
    """Return the mask [H, W] for a region; `logits_of` maps its pixels [96, 96, 3] to logits [96, 96]."""
    mask = np.zeros(image.shape[:2], dtype=bool)
    x0, y0, x1, y1 = sides
    if x1 <= x0 or y1 <= y0:
        return mask
    part = Image.fromarray(image).crop(sides).resize((96, 96), Image.Resampling.BILINEAR)
    chances = 1 / (1 + np.exp(-logits_of(np.array(part)).astype(np.float64)))
    for y in range(y0, y1):
        for x in range(x0, x1):
            mask[y, x] = _bilinear(chances, (x - x0 + 0.5) * 96 / (x1 - x0), (y - y0 + 0.5) * 96 / (y1 - y0)) > 0.5
    return mask


def _bilinear(values: NDArray[np.float64], x: float, y: float) -> float:
    """Interpolate between the centres of cells; outside of them the nearest cells count."""
    x, y = max(x - 0.5, 0.0), max(y - 0.5, 0.0)
    i, j = int(x), int(y)
    right, below = min(i + 1, 95), min(j + 1, 95)
    across, down = x - i, y - j
    upper = values[j, i] * (1 - across) + values[j, right] * across
    lower = values[below, i] * (1 - across) + values[below, right] * across
    return float(upper * (1 - down) + lower * down)
