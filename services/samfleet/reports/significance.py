"""Decisions about many differences at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
CANNOT_TELL = "cannot tell"


def two_sided_p(difference: float, replicates: NDArray[np.float64]) -> float:
    """Return the p-value of a difference, from the spread of its bootstrap replicates (normal approximation).

    Replicates without spread leave no doubt: 1 for no difference, else 0.
    """
    spread = float(np.std(replicates))
    if spread == 0.0:
        return 1.0 if difference == 0.0 else 0.0
    return math.erfc(abs(difference) / spread / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of comparisons by Holm's step-down method, in the given order.

    The chance that any of them is below a level, if nothing differs, is then at most that level.

    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of Statistics, 1979.
    """
    found = [1.0] * len(p_values)
    least = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, (len(p_values) - rank) * p_values[place])
        found[place] = min(1.0, least)
    return found
