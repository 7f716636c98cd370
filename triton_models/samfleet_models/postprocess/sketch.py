"""A mask whose pixels are decided except for those too near a threshold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samfleet_models.postprocess.upsample import Indices

UNSURE_PIXELS = 64  # of one mask; drawing the whole mask exactly costs less than deciding more pixels one by one
Thresholds = tuple[float, float, float]  # for sure pixels, for possible pixels, for the mask


@dataclass(slots=True)
class Sketch:
    """A mask that may pass: `counts` of pixels surely above each of the three thresholds, `bits` surely set.

    `unsure` [3, k] are the undecided pixels: index of the threshold, x, y.
    """

    row: int
    counts: NDArray[np.int64]
    bits: NDArray[np.uint8]
    unsure: Indices


def fails(high: int, low: int, least: float | None) -> bool:
    """Test whether a stability score of at most `high` / `low` is below `least`; None is never above it."""
    best = np.float32(high) / np.float32(low) if low else np.float32(high)
    return least is not None and bool(best < np.float32(least))
