"""Removal of small holes and islands from a mask (`remove_small_regions` of segment_anything/utils/amg.py)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=int)
Mask = NDArray[np.bool_]


def remove_small_regions(mask: Mask, min_area: int, mode: Literal["holes", "islands"]) -> tuple[Mask, bool]:
    """Remove holes (or islands) of fewer than `min_area` pixels; return the mask and whether it changed.

    Regions are 8-connected, holes too. If every island is small, the largest stays, the first in row-major order on
    ties.
    """
    holes = mode == "holes"
    regions, count = ndimage.label(mask ^ holes, structure=EIGHT_NEIGHBOURS)
    areas = np.bincount(regions.ravel(), minlength=count + 1)[1:]
    small = areas < min_area
    if not small.any():
        return mask, False
    if holes:
        return mask | np.concatenate([[False], small])[regions], True
    keep = ~small
    if not keep.any():
        keep[areas.argmax()] = True
    return np.concatenate([[False], keep])[regions], True
