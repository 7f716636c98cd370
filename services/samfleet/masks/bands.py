"""Masks drawn in bands of rows, so that memory grows neither with the image nor with its masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samfleet.masks.run_sets import drawn_in, runs_of_code
from samfleet.masks.runs import Runs

BAND_PIXELS = 2**21  # drawn at a time; with the intermediates about 30 MB

Bits = NDArray[np.bool_]  # [height, width]
Box = tuple[int, int, int, int]  # x0, y0, x1, y1, maxima exclusive


def bands_of(box: Box) -> list[Box]:
    """Cut a box into bands of rows of at most `BAND_PIXELS` pixels, from top to bottom; a band has at least a row."""
    left, top, right, bottom = box
    rows = max(1, BAND_PIXELS // max(1, right - left))
    return [(left, y, right, min(y + rows, bottom)) for y in range(top, bottom, rows)]


def runs_of(mask: Mapping[str, Any]) -> Runs:
    """Return the runs of a mask in the form of results."""
    height, width = mask["segmentation"]["size"]
    return runs_of_code(mask["segmentation"]["counts"], (height, width))


def bits_in_bands(mask: Mapping[str, Any], box: Box | None = None) -> Iterator[Bits]:
    """Draw a mask in the form of results inside `box`, or else the whole image, in bands of rows from top to bottom."""
    height, width = mask["segmentation"]["size"]
    runs = runs_of(mask)
    for band in bands_of(box or (0, 0, width, height)):
        yield drawn_in(runs, band)
