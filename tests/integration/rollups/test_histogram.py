from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sqlalchemy import ARRAY, Integer, func, literal, select, union_all
from sqlalchemy.orm import Session

from samfleet.rollups.histogram import unpack
from samfleet.rollups.sketch import GREATEST_MS, LEAST_MS, bucket_of


def summed(session: Session, *sketches: tuple[int, list[int]]) -> bytes:
    """Return the sum as reports query it from PostgreSQL."""
    numbers = [
        select(func.rollup_histogram(first, literal(counts, ARRAY(Integer))).label("histogram"))
        for first, counts in sketches
    ]
    packed: Any = session.scalar(select(func.numeric_send(func.sum(union_all(*numbers).subquery().c.histogram))))
    return bytes(packed)


def added(*sketches: tuple[int, list[int]]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for first, values in sketches:
        for bucket, count in enumerate(values, first):
            counts[bucket] = counts.get(bucket, 0) + count
    return {bucket: count for bucket, count in counts.items() if count}


LEAST, GREATEST = bucket_of(LEAST_MS) or 0, bucket_of(GREATEST_MS) or 0
CASES = [
    [(5, [1, 0, 7])],
    [(-7, [3, 4, 5, 6, 7, 8, 9]), (-2, [1, 1, 1, 1, 1])],
    [(LEAST, [2**31 - 1]), (GREATEST, [2**31 - 1]), (LEAST, [2**31 - 1])],
    [(0, []), (2, [10_000, 99_999_999, 0, 0, 1_000_000])],
    [(0, []), (0, [])],
]


@pytest.mark.parametrize("sketches", CASES)
def test_the_sum_of_packed_sketches_is_the_merged_sketch(
    session: Session, sketches: list[tuple[int, list[int]]]
) -> None:
    histograms, first = unpack([summed(session, *sketches)])
    found = {first + place: int(count) for place, count in enumerate(histograms[0]) if count}
    assert found == added(*sketches)


def test_several_sums_share_their_first_bucket(session: Session) -> None:
    histograms, first = unpack([summed(session, (3, [1, 2])), summed(session, (0, [])), summed(session, (-1, [4]))])
    assert first == -1
    assert histograms.tolist() == [[0, 0, 0, 0, 1, 2], [0] * 6, [4, 0, 0, 0, 0, 0]]


def test_a_hundred_added_sketches_lose_no_image(session: Session) -> None:
    rng = np.random.default_rng(3)
    sketches = [(int(rng.integers(-345, 900)), rng.integers(0, 2**31, 150).tolist()) for _ in range(100)]
    histograms, _ = unpack([summed(session, *sketches)])
    assert int(histograms.sum()) == sum(sum(counts) for _, counts in sketches)


def test_no_sketches_have_no_buckets() -> None:
    histograms, first = unpack([])
    assert (histograms.shape, first) == ((0, 0), 0)
