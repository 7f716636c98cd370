"""Point samplers of SegEvery: each prompts one crop of an image with points, in any number of rounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samfleet.variants.task import Sampler
from samfleet_models.mask_generation.adaptive_points import sample_adaptively
from samfleet_models.mask_generation.candidates import Candidates
from samfleet_models.mask_generation.crop_view import CropView, Points, SamplerTask
from samfleet_models.mask_generation.point_grid import pixels_of, point_grid
from samfleet_models.mask_generation.salient_points import sample_salient
from samfleet_models.postprocess.pixel_probe import Probe


@dataclass(frozen=True, slots=True)
class HierarchicalPoints:
    """Points [n, 2] (x, y) in (0, 1) of the hierarchical sampler, row by row.

    `first` is the coarse grid, `dense` the full one, and `asked` [n] marks the points of `dense` that `first` also has.

    Source: "hierarchical segmenting everything" of TinySAM (arXiv 2312.13789; tinysam/hierarchical_mask_generator.py).
    Its code places the points of the second round at whole-pixel steps around the coarse ones. Here they are points of
    the dense grid, so that every mask of the second round is one that the sampler `grid` finds with the same point.
    """

    first: Points
    dense: Points
    asked: NDArray[np.bool_]

    @classmethod
    def of(cls, points_per_side: int, coarse_factor: int) -> HierarchicalPoints:
        coarse = max(1, points_per_side // coarse_factor)
        known = [_coincides(j, points_per_side, coarse) for j in range(points_per_side)]
        return cls(point_grid(coarse), point_grid(points_per_side), np.logical_and.outer(known, known).ravel())

    def second(self, sure: NDArray[np.bool_]) -> Points:
        """Return the points of the dense grid that are neither in the first round nor `sure` [dense points]."""
        rest: Points = self.dense[~(self.asked | sure)]
        return rest


def _coincides(j: int, dense: int, coarse: int) -> bool:
    """Test whether (2 j + 1) / (2 dense) equals (2 i + 1) / (2 coarse) for an integer i."""
    twice, rest = divmod((2 * j + 1) * coarse, dense)
    return rest == 0 and twice % 2 == 1


def sample_grid(view: CropView) -> SamplerTask:
    """Sample a regular grid, as the official generator does."""
    return view.points(point_grid(view.points_per_side))


def sample_two_rounds(view: CropView) -> SamplerTask:
    """Sample a coarse grid, then the dense points where no mask that passed is sure, as TinySAM does."""
    parameters = view.parameters
    rounds = HierarchicalPoints.of(view.points_per_side, parameters.hierarchical_coarse_factor)
    probe = Probe(pixels_of(rounds.dense, view.crop.size), parameters.high_score_thresh)
    first, sure = yield from view.probed_points(rounds.first, probe)
    second = yield from view.points(rounds.second(sure))
    return Candidates.joined([second, first])


POINT_SAMPLERS: dict[Sampler, Callable[[CropView], SamplerTask]] = {
    "grid": sample_grid,
    "hierarchical": sample_two_rounds,
    "adaptive": sample_adaptively,
    "salient": sample_salient,
}
