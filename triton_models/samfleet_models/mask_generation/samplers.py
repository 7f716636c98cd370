"""Point samplers of SegEvery: each prompts one crop of an image with points, in any number of rounds."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samfleet.variants.conventions import Conventions
from samfleet.variants.task import EverythingParameters, Sampler
from samfleet_models.batching.requests import DecodeRequest, DecodeResult, MaskChoice, View, decode
from samfleet_models.mask_generation.candidates import Candidates
from samfleet_models.mask_generation.point_grid import Crop, layer_points_per_side, point_grid
from samfleet_models.mask_generation.prompt_tokens import point_prompts
from samfleet_models.postprocess.masks import Selection
from samfleet_models.postprocess.pixel_probe import Probe

Points = NDArray[np.float64]
SamplerTask = Generator[DecodeRequest, DecodeResult, Candidates]
ProbedTask = Generator[DecodeRequest, DecodeResult, tuple[Candidates, NDArray[np.bool_]]]


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


def pixels_of(points: Points, size: tuple[int, int]) -> NDArray[np.int64]:
    """Return [n, 2] (x, y): the pixels that contain `points` in (0, 1), in an image of `size` (height, width)."""
    pixels: NDArray[np.int64] = (points * np.array(size[::-1])).astype(np.int64)
    return pixels


def _coincides(j: int, dense: int, coarse: int) -> bool:
    """Test whether (2 j + 1) / (2 dense) equals (2 i + 1) / (2 coarse) for an integer i."""
    twice, rest = divmod((2 * j + 1) * coarse, dense)
    return rest == 0 and twice % 2 == 1


@dataclass(frozen=True, slots=True)
class CropView:
    """One crop of an image, as input of a sampler.

    A sampler is a function `(CropView) -> SamplerTask` that decodes with `found = yield from view.points(...)`. Its
    requests may share the decoder's chunks with those of other images.
    """

    crop: Crop
    view: View
    parameters: EverythingParameters
    conventions: Conventions

    @property
    def points_per_side(self) -> int:
        """Points per side of the dense grid; coarser in the crops of later layers."""
        downscale = self.parameters.crop_n_points_downscale_factor
        return layer_points_per_side(self.parameters.points_per_side, downscale, self.crop.layer)

    def points(self, points: Points) -> SamplerTask:
        """Decode one foreground point per prompt and return the masks that pass.

        `points` [n, 2] (x, y) are in (0, 1) of the crop.
        """
        return self._found((yield from decode(self._request(points))), points)

    def probed_points(self, points: Points, probe: Probe) -> ProbedTask:
        """Decode like `points`, and also mark the probe's pixels that those masks are sure of.

        Takes at least one point.
        """
        result = yield from decode(self._request(points, probe))
        sure = np.zeros(len(probe.pixels), dtype=np.bool_) if result.sure is None else result.sure
        return self._found(result, points), sure

    def _request(self, points: Points, probe: Probe | None = None) -> DecodeRequest:
        parameters = self.parameters
        selection = Selection(
            stability_offset=parameters.stability_score_offset,
            stability_thresh=_active(parameters.stability_score_thresh),
            drop_cut_by_crop=True,
        )
        rules = self.conventions.masks
        choice = MaskChoice.among(
            rules.multimask,
            len(points),
            above=_active(parameters.pred_iou_thresh),
            best=rules.multimask_best_only or rules.grid_best_only,
        )
        in_frame = self.view.frame.to_input(points * np.array(self.crop.size[::-1]))
        tokens = point_prompts(in_frame, self.conventions.prompts.layout)
        return DecodeRequest(self.view, *tokens, choice, selection, parameters.points_per_batch, probe)

    def _found(self, result: DecodeResult, points: Points) -> Candidates:
        x0, y0, _, _ = self.crop.box
        return Candidates(
            masks=result.masks,
            ious=result.ious,
            points=(points * np.array(self.crop.size[::-1]))[result.prompts] + np.array([x0, y0]),
            crops=np.tile(np.array(self.crop.box, dtype=np.int64), (len(result.ious), 1)),
        )


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
}


def _active(threshold: float) -> float | None:
    """Return None for thresholds at or below zero, which are switched off."""
    return threshold if threshold > 0.0 else None
