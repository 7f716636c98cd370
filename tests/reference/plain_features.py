"""The rules of the samplers `adaptive` and `salient` in plain loops, on masks at full size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def redundant_slowly(
    masks: Sequence[NDArray[np.bool_]], pixels: NDArray[np.int64], features: NDArray[np.float32], threshold: float
) -> list[bool]:
    """Tell for each of `pixels` [n, 2] (x, y) if a mask [H, W] covers it and looks like it; `features` are [n, C]."""
    found = [False] * len(pixels)
    for mask in masks:
        inside = [index for index, (x, y) in enumerate(pixels) if mask[y, x]]
        mean = sum((features[index].astype(np.float64) for index in inside), np.zeros(features.shape[1]))
        length = float(np.sqrt((mean**2).sum()))
        for index in inside:
            if length > 0 and float((features[index] * mean).sum()) / length >= threshold:
                found[index] = True
    return found


def salient_cells_slowly(embedding: NDArray[np.float32], window: int) -> set[tuple[int, int]]:
    """Return the cells (x, y) of `embedding` [C, h, w] that are the most salient in the window around them."""
    _, height, width = embedding.shape
    cells = [(x, y) for y in range(height) for x in range(width)]
    mean = embedding.mean(axis=(1, 2), dtype=np.float64)
    features = {(x, y): embedding[:, y, x] - mean for x, y in cells}
    degrees = {cell: sum(float(features[cell] @ other) >= 0 for other in features.values()) for cell in cells}
    order = {cell: (degrees[cell], cell[1], cell[0]) for cell in cells}  # of equals, the first row by row
    reach = window // 2
    return {
        (x, y)
        for x, y in cells
        if order[x, y]
        == min(
            order[i, j]
            for i in range(max(0, x - reach), min(width, x + reach + 1))
            for j in range(max(0, y - reach), min(height, y + reach + 1))
        )
    }
