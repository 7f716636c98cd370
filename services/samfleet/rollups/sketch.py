"""Percentiles with bounded relative error, from counts in logarithmic buckets; sketches are merged by adding.

This is DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019) without the collapsing of buckets. Times from one microsecond to eleven days need 1,400 buckets,
and a stage fills one or two hundred. Bucket i holds GAMMA^(i-1) < x <= GAMMA^i; its value is the one whose relative
distance to both ends is `RELATIVE_ERROR`. Counts are plain integers, so PostgreSQL can store, add and read them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LOG_GAMMA = math.log(GAMMA)
LEAST_MS = 1e-3  # shorter times count as zero
GREATEST_MS = 1e9


def bucket_of(ms: float) -> int | None:
    """Return the bucket of a time, None if it counts as zero; `samfleet.rollups.measures.bucket_sql` does so in SQL."""
    if ms < LEAST_MS:
        return None
    return math.ceil(math.log(min(ms, GREATEST_MS)) / LOG_GAMMA)


def dense(counts: Mapping[int, int]) -> tuple[int, list[int]]:
    """Return the stored form: the first bucket, and the counts from there to the last."""
    if not counts:
        return 0, []
    first = min(counts)
    return first, [counts.get(bucket, 0) for bucket in range(first, max(counts) + 1)]


def bucket_values(buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the value of each bucket in ms."""
    values: NDArray[np.float64] = np.exp(buckets * LOG_GAMMA) * (2 / (1 + GAMMA))
    return values


def percentiles(
    histograms: NDArray[np.int64], first: int, zeros: NDArray[np.int64], fractions: Sequence[float]
) -> NDArray[np.float64]:
    """Return percentiles, float64 [histograms, fractions] in ms; NaN for an empty histogram.

    `histograms` is int64 [histograms, buckets] from bucket `first` on; `zeros` counts times below all buckets. Between
    two ranks it interpolates like PostgreSQL's `percentile_cont`, so the error bound applies to that too.
    """
    cumulative = np.cumsum(np.concatenate([zeros[:, None], histograms], axis=1), axis=1)
    width = histograms.shape[1]
    values = np.concatenate([[0.0], bucket_values(np.arange(first, first + width))])
    total = cumulative[:, -1:]
    ranks = np.asarray(fractions) * np.maximum(total - 1, 0)
    low, high = (values[_first_above(cumulative, rank)] for rank in (np.floor(ranks), np.ceil(ranks)))
    found: NDArray[np.float64] = np.where(total > 0, low + (high - low) * (ranks - np.floor(ranks)), np.nan)
    return found


def _first_above(cumulative: NDArray[np.int64], ranks: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return, as [rows, ranks], the place where each row of int64 [rows, places] first exceeds its ranks [rows, ranks].

    A row that never exceeds a rank gives its last place. Rows are laid end to end, each above the one before, so that
    one search finds all.
    """
    rows, places = cumulative.shape
    steps = np.concatenate([[0], np.cumsum(cumulative[:-1, -1] + 1)])[:rows, None]
    found = np.searchsorted((cumulative + steps).ravel(), ranks.astype(np.int64) + steps, side="right")
    at: NDArray[np.intp] = np.minimum(found - np.arange(rows)[:, None] * places, places - 1)
    return at


def percentiles_of_one(
    histogram: NDArray[np.int64], first: int, zeros: int, fractions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return float64 [fractions] in ms, like `percentiles`, for many fractions of one histogram.

    The histogram (int64 [buckets]) must not be empty.
    """
    cumulative = np.cumsum(np.concatenate([[zeros], histogram]))
    values = np.concatenate([[0.0], bucket_values(np.arange(first, first + len(histogram)))])
    ranks = fractions * (cumulative[-1] - 1)
    low, high = (values[np.searchsorted(cumulative, rank, side="right")] for rank in (np.floor(ranks), np.ceil(ranks)))
    found: NDArray[np.float64] = low + (high - low) * (ranks - np.floor(ranks))
    return found
