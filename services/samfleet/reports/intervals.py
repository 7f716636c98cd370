"""Intervals of medians and of ratios of medians, from sketches.

They are bootstrap intervals of 95 %. The median of a resample is an order statistic of uniform ranks. So its rank is
drawn from a beta distribution and read off the sketch, which is the same bootstrap without the resampling. Images of
one batch share its time and count as one measurement. So ranks are drawn for batches: the smallest number of them that
the batch-size classes allow. The bounds are widened by the error of the sketches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samfleet.reports.cells import Cells
from samfleet.reports.significance import two_sided_p
from samfleet.rollups.sketch import GAMMA, percentiles_of_one

RESAMPLES = 2000
INTERVAL = (0.025, 0.975)
LEAST_BATCHES = 5  # with fewer, the extremes miss the true median more often than the interval allows
Interval = tuple[float | None, float | None]


def median_interval(cells: Cells, index: int) -> Interval:
    """Return the bounds in ms of the median of a row; None with too few batches."""
    if cells.rows[index]["batches"] < LEAST_BATCHES:
        return None, None
    low, high = np.quantile(resampled_medians(cells, index, seed=0), INTERVAL)
    return float(low / GAMMA**0.5), float(high * GAMMA**0.5)


@dataclass(frozen=True, slots=True)
class RatioSpread:
    """95 % interval of the ratio of two medians, and the p-value of the hypothesis that the medians are equal."""

    low: float
    high: float
    p_value: float


def median_ratio_spread(cells: Cells, left: int, right: int) -> RatioSpread | None:
    """Return the spread of the ratio of two rows' medians; None with too few batches, or if a median may be 0.

    The p-value is of the ratio's logarithm, less the error of the sketches.
    """
    if min(cells.rows[index]["batches"] for index in (left, right)) < LEAST_BATCHES:
        return None
    medians_a, medians_b = (resampled_medians(cells, index, seed) for seed, index in enumerate((left, right)))
    if not medians_a.all() or not medians_b.all():
        return None
    logarithms = np.log(medians_a / medians_b)
    low, high = np.exp(np.quantile(logarithms, INTERVAL))
    beyond = max(0.0, abs(float(np.median(logarithms))) - math.log(GAMMA))
    return RatioSpread(float(low / GAMMA), float(high * GAMMA), two_sided_p(beyond, logarithms))


def resampled_medians(cells: Cells, index: int, seed: int) -> NDArray[np.float64]:
    """Return resampled medians of a row, float64 [RESAMPLES] in ms. Rows that are compared need different seeds."""
    row = cells.rows[index]
    half = (min(row["batches"], row["n"]) + 1) / 2
    ranks = np.random.default_rng(seed).beta(half, half, RESAMPLES)
    return percentiles_of_one(cells.histograms[index], cells.first, int(cells.zeros()[index]), ranks)
