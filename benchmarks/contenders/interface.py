"""The interface of a contender, and its options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from benchmarks.cases import Box

Mask = Any  # a boolean array or tensor [H, W], or run lengths {"size": [H, W], "counts": str or list}


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a contender.

    `official` is the folder of a checkout or an installation. `thresholds` are the variant's, under the names of the
    official generator.
    """

    variant: str
    checkpoint: str
    device: str
    official: str | None
    thresholds: dict[str, float]


class Contender(Protocol):
    """One program. Every function takes an image file and does what a user of the program calls for it."""

    device: torch.device

    def encode(self, image: Path) -> Callable[[], object]:
        """Read and prepare the image; the function that is returned encodes it."""
        ...

    def everything(self, image: Path, per_side: int) -> Sequence[Mask]:
        """Return the masks of a square grid of points."""
        ...

    def boxes(self, image: Path, boxes: Sequence[Box]) -> Sequence[Mask]:
        """Return one mask for each box (x0, y0, x1, y1), in pixels of the image."""
        ...
