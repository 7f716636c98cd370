"""Where SegEvery asks: samplers put prompts to one crop of an image, as often as they like."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.variants.task import EverythingParameters
from samfleet_models.asking import Answers, Ask, Choice, View, ask
from samfleet_models.candidates import Candidates
from samfleet_models.grid import Crop, layer_points_per_side, point_grid
from samfleet_models.mask_decoder import MULTI
from samfleet_models.prompt_encoder import Label
from samfleet_models.reading import Selection

Asking = Generator[Ask, Answers, Candidates]


@dataclass(frozen=True, slots=True)
class CropView:
    """One crop under work. A sampler is a function `(CropView) -> Asking` whose `found = yield from view.points(...)`.

    Each such question may share the decoder's chunks with questions of other images.
    """

    crop: Crop
    view: View
    parameters: EverythingParameters

    def points(self, points: NDArray[np.float64]) -> Asking:
        """The masks that pass of one foreground point each, `points` [n, 2] (x, y) in pixels of the crop."""
        return self.prompts(*point_prompts(self.view.frame.to_input(points)), MULTI, points)

    def prompts(self, coords: Tensor, labels: Tensor, masks: slice, points: NDArray[np.float64]) -> Asking:
        """The masks that pass of any prompts: `coords` and `labels` as an `Ask` has them.

        `masks` may answer (`MULTI` or `SINGLE`); `points` [n, 2], in pixels of the crop, are what the masks' records
        name as their points.
        """
        parameters = self.parameters
        selection = Selection(
            stability_offset=parameters.stability_score_offset,
            stability_thresh=_active(parameters.stability_score_thresh),
            drop_cut_by_crop=True,
        )
        choice = Choice.among(masks, len(coords), above=_active(parameters.pred_iou_thresh))
        answers = yield from ask(Ask(self.view, coords, labels, choice, selection, parameters.points_per_batch))
        x0, y0, _, _ = self.crop.box
        return Candidates(
            masks=answers.masks,
            ious=answers.ious,
            points=points[answers.prompts] + np.array([x0, y0]),
            crops=np.tile(np.array(self.crop.box, dtype=np.int64), (len(answers.ious), 1)),
        )


def sample_grid(view: CropView) -> Asking:
    """The official generator's way: a regular grid, coarser in the crops of later layers."""
    parameters, crop = view.parameters, view.crop
    per_side = layer_points_per_side(parameters.points_per_side, parameters.crop_n_points_downscale_factor, crop.layer)
    return view.points(point_grid(per_side) * np.array(crop.size[::-1]))


def point_prompts(points: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """One foreground point per prompt with its padding point: coords [P, 2, 2] and labels [P, 2].

    Coordinates stay float64: so they reach the prompt encoder in the official generator.
    """
    coords = torch.from_numpy(np.stack([points, np.zeros_like(points)], axis=1))
    labels = torch.tensor([Label.FOREGROUND, Label.PADDING]).expand(len(points), -1)
    return coords, labels


def _active(threshold: float) -> float | None:
    """Thresholds at or below zero are switched off."""
    return threshold if threshold > 0.0 else None
