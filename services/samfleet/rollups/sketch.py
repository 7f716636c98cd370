"""Percentiles of bounded relative error from counts in logarithmic buckets, which are merged by adding.

This is DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
guarantees", VLDB 2019) without its collapsing of buckets: times of one microsecond to eleven days need 1,400 of them,
and a stage fills a hundred or two. Bucket i holds GAMMA^(i-1) < x <= GAMMA^i and stands for the value in it whose
relative distance to both ends is `RELATIVE_ERROR`. Counts are plain integers, so that PostgreSQL stores, adds and reads
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
LOG_GAMMA = math.log(GAMMA)
LEAST_MS = 1e-3  # a shorter time is not told from none
GREATEST_MS = 1e9


def bucket_of(ms: float) -> int | None:
    """None for what counts as no time at all. `samfleet.rollups.measures.bucket` is the same in SQL."""
    if ms < LEAST_MS:
        return None
    return math.ceil(math.log(min(ms, GREATEST_MS)) / LOG_GAMMA)


def dense(counts: Mapping[int, int]) -> tuple[int, list[int]]:
    """As it is stored: the first bucket, and the counts from there to the last."""
    if not counts:
        return 0, []
    first = min(counts)
    return first, [counts.get(bucket, 0) for bucket in range(first, max(counts) + 1)]


def bucket_values(buckets: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each bucket stands for, in ms."""
    values: NDArray[np.float64] = np.exp(buckets * LOG_GAMMA) * (2 / (1 + GAMMA))
    return values


def percentiles(
    histograms: NDArray[np.int64], first: int, zeros: NDArray[np.int64], fractions: Sequence[float]
) -> NDArray[np.float64]:
    """Float64 [histograms, fractions] in ms, NaN where a histogram is empty.

    `histograms` is int64 [histograms, buckets] from bucket `first` on; `zeros` counts what lies below all buckets.
    Between two ranks it interpolates as PostgreSQL's `percentile_cont` does, so the bound holds against that too.
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
    """[rows, ranks]: where each row of int64 [rows, places] first exceeds its ranks [rows, ranks]; the last place where
    it never does. Rows are laid end to end, each above the one before, so that one search finds all.
    """
    rows, places = cumulative.shape
    steps = np.concatenate([[0], np.cumsum(cumulative[:-1, -1] + 1)])[:rows, None]
    found = np.searchsorted((cumulative + steps).ravel(), ranks.astype(np.int64) + steps, side="right")
    at: NDArray[np.intp] = np.minimum(found - np.arange(rows)[:, None] * places, places - 1)
    return at


def percentiles_of_one(
    histogram: NDArray[np.int64], first: int, zeros: int, fractions: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Float64 [fractions] in ms, as `percentiles`, for many fractions of one histogram (int64 [buckets]) that is not
    empty.
    """
    cumulative = np.cumsum(np.concatenate([[zeros], histogram]))
    values = np.concatenate([[0.0], bucket_values(np.arange(first, first + len(histogram)))])
    ranks = fractions * (cumulative[-1] - 1)
    low, high = (values[np.searchsorted(cumulative, rank, side="right")] for rank in (np.floor(ranks), np.ceil(ranks)))
    found: NDArray[np.float64] = low + (high - low) * (ranks - np.floor(ranks))
    return found
