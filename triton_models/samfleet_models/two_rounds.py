"""Which points the hierarchical sampler asks about, and when: a coarse grid, then what it leaves of the dense one.

Source: "hierarchical segmenting everything" of TinySAM (arXiv 2312.13789; tinysam/hierarchical_mask_generator.py). Its
code lays the second round's points at whole-pixel steps around the coarse ones; here they are the dense grid's own, so
whatever the second round finds, the sampler `grid` finds with the same point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samfleet_models.grid import point_grid

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TwoRounds:
    """Points [n, 2] (x, y) in (0, 1), row by row: those of the first round, and the dense grid's with those of them
    that the first round has asked about already.
    """

    first: Points
    dense: Points
    asked: NDArray[np.bool_]

    @classmethod
    def of(cls, points_per_side: int, coarse_factor: int) -> TwoRounds:
        coarse = max(1, points_per_side // coarse_factor)
        known = [_coincides(j, points_per_side, coarse) for j in range(points_per_side)]
        return cls(point_grid(coarse), point_grid(points_per_side), np.logical_and.outer(known, known).ravel())

    def second(self, sure: NDArray[np.bool_]) -> Points:
        """Of the dense grid what is neither asked about nor `sure` [dense points]."""
        rest: Points = self.dense[~(self.asked | sure)]
        return rest


def pixels_of(points: Points, size: tuple[int, int]) -> NDArray[np.int64]:
    """[n, 2] (x, y): the pixels of an image of `size` (height, width) that `points` in (0, 1) lie in."""
    pixels: NDArray[np.int64] = (points * np.array(size[::-1])).astype(np.int64)
    return pixels


def _coincides(j: int, dense: int, coarse: int) -> bool:
    """Whether (2 j + 1) / (2 dense) is (2 i + 1) / (2 coarse) for a whole i."""
    twice, rest = divmod((2 * j + 1) * coarse, dense)
    return rest == 0 and twice % 2 == 1
