"""Bootstrap over images: how much a figure would change with other images of the same kind.

In each replicate an image counts as often as a Poisson variable of mean 1 says (the Poisson bootstrap). The counts
depend on the image's id alone. So replicate i of two runs over one dataset has the same images, and differences of
replicates are those of a paired bootstrap, whatever the order of the images and the shards. Only the replicates of a
figure are kept, not the images.

Source: Chamandy, Muralidharan, Najmi, Naidu, "Estimating Uncertainty for Massive Data Streams" (Google, 2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

REPLICATES = 500
PRECISION_REPLICATES = 200  # ranking all detections once more for each replicate takes longer
INTERVAL = (0.025, 0.975)
_SEED = 20_241_004
_MOST = 20  # a larger count has a probability below 1e-19
_CUMULATIVE = np.cumsum([math.exp(-1) / math.factorial(count) for count in range(_MOST)])


def counts_of(image_id: int, replicates: int = REPLICATES) -> NDArray[np.int64]:
    """Return how often an image counts in each replicate, int64 [replicates].

    The bits of PCG64 are the same in all versions of numpy, unlike those of its distributions.
    """
    raw = np.random.PCG64([_SEED, image_id % 2**64]).random_raw(replicates)
    uniform = (raw >> np.uint64(11)) * 2.0**-53
    return np.searchsorted(_CUMULATIVE, uniform, side="right")


class ImageCounts:
    """Counts of many images, each drawn once."""

    def __init__(self) -> None:
        self._known: dict[int, NDArray[np.uint8]] = {}

    def of(self, image_ids: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return uint8 [images, PRECISION_REPLICATES]."""
        distinct, places = np.unique(image_ids, return_inverse=True)
        rows = [self._row(int(one)) for one in distinct]
        if not rows:
            return np.zeros((0, PRECISION_REPLICATES), dtype=np.uint8)
        found: NDArray[np.uint8] = np.stack(rows)[places]
        return found

    def _row(self, image_id: int) -> NDArray[np.uint8]:
        if image_id not in self._known:
            self._known[image_id] = counts_of(image_id, PRECISION_REPLICATES).astype(np.uint8)
        return self._known[image_id]


class ResampledRatio:
    """Replicates of a sum over images divided by another one, such as a mean over annotated objects."""

    def __init__(self) -> None:
        self._sums = np.zeros(REPLICATES)
        self._weights = np.zeros(REPLICATES)

    def add(self, image_id: int, total: float, weight: int) -> None:
        """Add an image, with its part of both sums."""
        if weight:
            counts = counts_of(image_id)
            self._sums += total * counts
            self._weights += weight * counts

    def replicates(self) -> tuple[float, ...] | None:
        """Return the ratio in each replicate; None if one of them has no object, as with very few images."""
        if not self._weights.all():
            return None
        return tuple(np.minimum(self._sums / self._weights, 1.0).tolist())


def interval_of(replicates: Sequence[float] | NDArray[np.float64] | None) -> tuple[float, float] | None:
    """Return the 95 % interval of a figure by the percentiles of its replicates."""
    if replicates is None:
        return None
    low, high = np.quantile(np.asarray(replicates), INTERVAL)
    return float(low), float(high)
