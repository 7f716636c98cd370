"""One crop of an image, with the decode requests that samplers send for it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from samfleet.variants.conventions import Conventions
from samfleet.variants.task import EverythingParameters
from samfleet_models.batching.requests import DecodeRequest, DecodeResult, MaskChoice, View, decode
from samfleet_models.mask_generation.candidates import Candidates
from samfleet_models.mask_generation.point_grid import Crop, layer_points_per_side
from samfleet_models.mask_generation.prompt_tokens import point_prompts
from samfleet_models.postprocess.masks import Selection
from samfleet_models.postprocess.pixel_probe import Probe

Points = NDArray[np.float64]
SamplerTask = Generator[DecodeRequest, DecodeResult, Candidates]
ProbedTask = Generator[DecodeRequest, DecodeResult, tuple[Candidates, NDArray[np.bool_]]]


@dataclass(frozen=True, slots=True)
class CropView:
    """One crop of an image, as input of a sampler.

    A sampler is a function `(CropView) -> SamplerTask` that decodes with `found = yield from view.points(...)`. Its
    requests may share the decoder's chunks with those of other images. `embedding` [1, C, h, w] is the crop's, on the
    network's device; the crop fills the top left of it as it does of the view's frame.
    """

    crop: Crop
    view: View
    embedding: Tensor
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


def _active(threshold: float) -> float | None:
    """Return None for thresholds at or below zero, which are switched off."""
    return threshold if threshold > 0.0 else None
