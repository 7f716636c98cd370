"""The frames of a file that become images of a dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """One frame (`index`, from 0), or each `every`th from the first on, or `count` frames spread evenly.

    At most `most` are taken, the first ones.
    """

    index: int | None = None
    every: int | None = None
    count: int | None = None
    most: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """Return the choice of a stored request; None if it takes whole files."""
        return None if stored is None else cls(**stored)

    def of_frames(self, frames: Sequence[int]) -> Sequence[int]:
        """Return the chosen ones of a file's frames, in their order."""
        if self.count is not None:
            taken = min(self.count, len(frames))
            chosen: Sequence[int] = [frames[number * len(frames) // taken] for number in range(taken)]
        else:
            chosen = frames[:: self.every or 1]
        return chosen[: self.most]
