"""Point samplers of SegEvery: each asks one crop of an image about points, as often as it likes."""

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
    """Points [n, 2] (x, y) in (0, 1) of the hierarchical sampler, row by row: `first` is the coarse grid, `dense` the
    full one, and `asked` [n] marks the points of `dense` that `first` has too.

    Source: "hierarchical segmenting everything" of TinySAM (arXiv 2312.13789; tinysam/hierarchical_mask_generator.py).
    Its code lays the second round's points at whole-pixel steps around the coarse ones. Here they are points of the
    dense grid, so that the sampler `grid` finds with the same point whatever the second round finds.
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


@dataclass(frozen=True, slots=True)
class CropView:
    """One crop of an image, as a sampler sees it.

    A sampler is a function `(CropView) -> SamplerTask` that decodes by `found = yield from view.points(...)`. Its
    requests may share the decoder's chunks with those of other images.
    """

    crop: Crop
    view: View
    parameters: EverythingParameters
    conventions: Conventions

    @property
    def points_per_side(self) -> int:
        """Of the dense grid; coarser in the crops of later layers."""
        downscale = self.parameters.crop_n_points_downscale_factor
        return layer_points_per_side(self.parameters.points_per_side, downscale, self.crop.layer)

    def points(self, points: Points) -> SamplerTask:
        """The masks that pass of one foreground point each, `points` [n, 2] (x, y) in (0, 1) of the crop."""
        return self._found((yield from decode(self._request(points))), points)

    def probed_points(self, points: Points, probe: Probe) -> ProbedTask:
        """The same, and which of the probe's pixels those masks are sure of; of at least one point."""
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
    """The official generator's way: a regular grid."""
    return view.points(point_grid(view.points_per_side))


def sample_two_rounds(view: CropView) -> SamplerTask:
    """TinySAM's way: a coarse grid, then the points of the dense one where no mask that passed is sure of itself."""
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
    """Thresholds at or below zero are switched off."""
    return threshold if threshold > 0.0 else None
