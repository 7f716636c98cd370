from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from samfleet.rollups.sketch import (
    GREATEST_MS,
    LEAST_MS,
    RELATIVE_ERROR,
    bucket_of,
    bucket_values,
    dense,
    percentiles,
    percentiles_of_one,
)
from samfleet.rollups.tally import Tally

FRACTIONS = (0.0, 0.5, 0.9, 0.95, 0.99, 1.0)


def sketched(values: NDArray[Any], fractions: tuple[float, ...] = FRACTIONS) -> NDArray[np.float64]:
    tally = Tally()
    for value in values:
        tally.add_time(float(value))
    first, counts = dense(tally.counts)
    histogram = np.array([counts], dtype=np.int64).reshape(1, -1)
    found: NDArray[np.float64] = percentiles(histogram, first, np.array([tally.n - sum(counts)]), fractions)[0]
    return found


@pytest.mark.parametrize("scale", [0.1, 1.0, 5000.0])
@pytest.mark.parametrize("count", [1, 2, 7, 4000])
def test_percentiles_are_within_the_error_bound(scale: float, count: int) -> None:
    values = np.random.default_rng(count).lognormal(np.log(scale), 0.8, count)
    exact = np.percentile(values, [100 * fraction for fraction in FRACTIONS])
    assert np.abs(sketched(values) / exact - 1).max() <= RELATIVE_ERROR * (1 + 1e-9)


def test_percentiles_between_two_distant_modes_are_within_the_error_bound() -> None:
    values = np.array([1.0] * 50 + [1000.0] * 50)
    assert sketched(values, (0.5,))[0] == pytest.approx(np.percentile(values, 50), rel=RELATIVE_ERROR)


def test_times_below_a_microsecond_count_as_zero() -> None:
    assert bucket_of(0.0) is bucket_of(LEAST_MS / 2) is None
    assert list(sketched(np.array([0.0, 0.0, 3.0]), (0.5,))) == [0.0]


def test_one_histogram_gives_the_percentiles_of_the_batch_function() -> None:
    histogram, fractions = np.array([3, 0, 5, 1]), np.array([0.0, 0.2, 0.5, 0.77, 1.0])
    many = percentiles(histogram[None, :], -2, np.array([2]), tuple(fractions))[0]
    assert percentiles_of_one(histogram, -2, 2, fractions) == pytest.approx(many)


def test_an_empty_histogram_has_no_percentile() -> None:
    assert np.isnan(percentiles(np.zeros((1, 0), dtype=np.int64), 0, np.zeros(1, dtype=np.int64), (0.5,))).all()


def test_times_beyond_the_range_are_in_the_last_bucket() -> None:
    assert bucket_of(GREATEST_MS * 10) == bucket_of(GREATEST_MS)


def test_every_bucket_contains_its_representative_value() -> None:
    buckets = np.arange(-340, 1000)
    assert [bucket_of(value) for value in bucket_values(buckets)] == list(buckets)


def test_merging_histograms_adds_their_counts() -> None:
    left, right, both = Tally(), Tally(), Tally()
    for value in np.random.default_rng(3).lognormal(2, 1, 200):
        (left if value < 7 else right).add_time(value)
        both.add_time(value)
    left.merge(right)
    assert (left.n, left.counts) == (both.n, both.counts)
    assert left.sum_ms == pytest.approx(both.sum_ms)
