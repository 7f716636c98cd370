"""Interval of a mean time, from a sketch."""

from __future__ import annotations

import numpy as np

from samfleet.reports.cells import Cells
from samfleet.reports.intervals import LEAST_BATCHES
from samfleet.rollups.sketch import RELATIVE_ERROR, bucket_values

NORMAL = 1.96  # standard errors of a 95 % interval


def relative_error_of_mean(cells: Cells, index: int) -> float | None:
    """Return the half width of the 95 % interval of a row's mean, as a fraction of the mean; None with too few batches.

    It is the normal approximation with one measurement for each batch, widened by the error of the sketch.
    """
    row = cells.rows[index]
    batches = min(row["batches"], row["n"])
    if batches < LEAST_BATCHES:
        return None
    counts = cells.histograms[index]
    values = bucket_values(np.arange(cells.first, cells.first + len(counts)))
    mean = float(counts @ values) / row["n"]
    variance = max(0.0, float(counts @ values**2) / row["n"] - mean**2)
    return NORMAL * float(np.sqrt(variance / (batches - 1))) / mean + RELATIVE_ERROR if mean else None
