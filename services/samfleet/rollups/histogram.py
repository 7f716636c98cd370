"""Sketches packed into one number each, which PostgreSQL can add.

`rollups.histogram` is the sum over buckets of count * 10^(12 * bucket). The database computes it from `first_bucket`
and `counts` (its function `rollup_histogram`), so it always agrees with them. The sum of such numbers is the merged
sketch, as long as no bucket holds 10^12 images. PostgreSQL adds the digits of a number several times faster than it
returns the equivalent array.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

HEAD = struct.Struct(">hhHH")  # of numeric_send: digits of base 10^4, weight of the first, sign, digits after the point
DIGITS = 3  # of base 10^4 for a bucket


def unpack(sums: Sequence[bytes]) -> tuple[NDArray[np.int64], int]:
    """Unpack results of `numeric_send` to int64 [sums, buckets]; also return the number of the first bucket."""
    heads = [HEAD.unpack_from(packed)[:2] for packed in sums]
    spans = [(weight + 1 - count, weight) for count, weight in heads if count]
    first = min((low for low, _ in spans), default=0) // DIGITS
    last = max((high for _, high in spans), default=-1) // DIGITS
    buckets = last + 1 - first
    digits = np.zeros((len(sums), buckets * DIGITS), dtype=np.int64)
    for row, packed, (count, weight) in zip(digits, sums, heads, strict=True):
        end = weight + 1 - first * DIGITS
        row[end - count : end] = np.frombuffer(packed, dtype=">i2", offset=HEAD.size)[::-1]
    places = digits.reshape(len(sums), buckets, DIGITS)
    histograms: NDArray[np.int64] = places[..., 0] + 10**4 * places[..., 1] + 10**8 * places[..., 2]
    return histograms, first
