"""Times of a video's frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """Times at which frames begin: `ticks` of `unit` seconds after the first frame, int64, ascending.

    Times of a request are rounded to ticks, because containers round those of frames: 2/3 s is 667 ms.
    """

    ticks: np.ndarray[Any, Any]
    unit: Fraction

    def seconds(self, frame: int) -> float:
        """Return the time of a frame in seconds, to the microsecond."""
        return round(float(int(self.ticks[frame]) * self.unit), 6)

    def shown_at(self, seconds: Fraction) -> int:
        """Return the frame shown at a time: the last one that begins no later, or frame 0."""
        return max(0, int(np.searchsorted(self.ticks, self._tick(seconds), side="right")) - 1)

    def first_from(self, seconds: Fraction) -> int:
        """Return the first frame that begins no earlier; their number if there is none."""
        return int(np.searchsorted(self.ticks, self._tick(seconds), side="left"))

    def is_past(self, seconds: Fraction) -> bool:
        """Return True if the last frame begins before this time."""
        return self._tick(seconds) > int(self.ticks[-1])

    def earliest(self, frame: int) -> Fraction:
        """Return the time in seconds from which on a request's time is rounded to that of the frame, or later."""
        return (int(self.ticks[frame]) - HALF) * self.unit

    def _tick(self, seconds: Fraction) -> int:
        return min(round(seconds / self.unit), 2**62)  # the ticks are 64-bit integers
