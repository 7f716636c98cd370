"""Run-length encoding of one mask and one run at a time, in plain Python."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from numpy.typing import NDArray


def encode_slowly(mask: NDArray[np.bool_]) -> str:
    """Return compressed counts of one mask [height, width] (`rleEncode` and `rleToString` of common/maskApi.c)."""
    counts = run_lengths(mask)
    return "".join(_characters(count - counts[i - 2] if i > 2 else count) for i, count in enumerate(counts))


def run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Return run lengths down the columns, zeros first."""
    runs = [(value, len(list(pixels))) for value, pixels in groupby(mask.T.reshape(-1).tolist())]
    return [length for _, length in ([] if runs and not runs[0][0] else [(False, 0)]) + runs]


def _characters(value: int) -> str:
    text = ""
    while True:
        low, value = value & 31, value >> 5
        if value == (-1 if low & 16 else 0):
            return text + chr(low + 48)
        text += chr(low + 32 + 48)
