"""The frames of a file that become images of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from itertools import islice
from math import ceil
from typing import Any, Self

from samfleet.datasets.frames.times import FrameTimes


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """One frame (`index`, from 0), or each `every`th from the first on, or `count` frames spread evenly.

    With `every_seconds`, those that a video shows then; files without times have only their first frame. `start` and
    `end` are the seconds of a video between which frames are taken; a frame that begins at `end` is not. At most `most`
    are taken, the first ones.
    """

    index: int | None = None
    every: int | None = None
    count: int | None = None
    most: int | None = None
    every_seconds: float | None = None
    start: float | None = None
    end: float | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """Return the choice of a stored request; None if it takes whole files."""
        return None if stored is None else cls(**stored)

    @property
    def stored(self) -> dict[str, Any]:
        """Return what a request stores of the choice: the fields that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def requested(self) -> dict[str, Any]:
        """Return the fields `frame` or `frames` of a request for this choice."""
        if self.index is not None:
            return {"frame": self.index}
        return {"frames": "all" if self.stored == {"every": 1} else self.stored}

    def of_frames(self, frames: Sequence[int], times: FrameTimes | None = None) -> Sequence[int]:
        """Return the chosen ones of a file's frames, in their order. With `times`, the frames are all from 0 on."""
        if times is not None:
            first = 0 if self.start is None else times.first_from(_exact(self.start))
            frames = frames[first : len(frames) if self.end is None else times.first_from(_exact(self.end))]
        if self.every_seconds is not None:
            chosen = frames[:1] if times is None else list(islice(self._shown(frames, times), self.most))
        elif self.count is not None:
            taken = min(self.count, len(frames))
            chosen = [frames[number * len(frames) // taken] for number in range(taken)]
        else:
            chosen = frames[:: self.every or 1]
        return chosen[: self.most]

    def _shown(self, frames: Sequence[int], times: FrameTimes) -> Iterator[int]:
        """Yield the frames that are shown at `start` and each `every_seconds` later, each once."""
        step, origin = _exact(self.every_seconds or 0), _exact(self.start or 0)
        number, last = 0, -1
        while frames:
            frame = max(frames[0], times.shown_at(origin + number * step))
            if frame > frames[-1] or times.is_past(origin + number * step):
                return
            if frame != last:
                yield frame
            if frame == frames[-1]:
                return
            last = frame
            number = max(number + 1, ceil((times.earliest(frame + 1) - origin) / step))


def _exact(seconds: float) -> Fraction:
    """Return the number that was written: 0.1 is a tenth, and not the nearest binary fraction."""
    return Fraction(str(seconds))
