"""Converts prompts in image pixels to the coordinates and labels of a family's prompt encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samfleet.variants.conventions import PromptLayout
from samfleet.variants.task import Prompt
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.modeling.prompt_encoder import Label

Coords = NDArray[np.float64]
Labels = NDArray[np.int64]
Layout = Callable[[Coords, Labels, Coords | None], tuple[Coords, Labels]]

CORNERS = np.array([Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT])
EFFICIENT_SAM_POINTS = 6  # the decoder expects exactly this many


def _sam(points: Coords, labels: Labels, box: Coords | None) -> tuple[Coords, Labels]:
    """Concatenate the points and the box, or a padding point (segment_anything/modeling/prompt_encoder.py)."""
    last, kinds = (np.zeros((1, 2)), np.array([Label.PADDING])) if box is None else (box, CORNERS)
    return np.concatenate([points, last]), np.concatenate([labels, kinds])


def _unpadded(points: Coords, labels: Labels, box: Coords | None) -> tuple[Coords, Labels]:
    """Concatenate the points and the box, without padding (nanosam/utils/predictor.py)."""
    if box is None:
        return points, labels
    return np.concatenate([points, box]), np.concatenate([labels, CORNERS])


def _sam2(points: Coords, labels: Labels, box: Coords | None) -> tuple[Coords, Labels]:
    """Concatenate the box, the points and always a padding point (sam2/sam2_image_predictor.py)."""
    first, kinds = (np.zeros((0, 2)), np.zeros(0, np.int64)) if box is None else (box, CORNERS)
    return (
        np.concatenate([first, points, np.zeros((1, 2))]),
        np.concatenate([kinds, labels, np.array([Label.PADDING])]),
    )


def _efficient_sam(points: Coords, labels: Labels, box: Coords | None) -> tuple[Coords, Labels]:
    """Concatenate the box and the points, padded with points at (-1, -1) (efficient_sam/efficient_sam.py)."""
    first, kinds = (np.zeros((0, 2)), np.zeros(0, np.int64)) if box is None else (box, CORNERS)
    given = np.concatenate([first, points])
    given = np.where(given < 0, -1.0, given)
    missing = EFFICIENT_SAM_POINTS - len(given)
    return (
        np.concatenate([given, np.full((missing, 2), -1.0)]),
        np.concatenate([kinds, labels, np.full(missing, Label.PADDING)]),
    )


LAYOUTS: dict[PromptLayout, Layout] = {
    "sam": _sam,
    "unpadded": _unpadded,
    "sam2": _sam2,
    "efficient_sam": _efficient_sam,
}


def prompt_tokens(
    prompt: Prompt, frame: ImageFrame, layout: PromptLayout = "sam"
) -> tuple[NDArray[np.float32], Labels]:
    """Return coordinates [T, 2] in the frame and labels [T] of `samfleet_models.modeling.prompt_encoder.Label`.

    Coordinates are scaled in float64, then rounded to float32, as in the official predictors. A mask alone has no
    tokens, not even a padding point.
    """
    if prompt.mask is not None and not prompt.points and prompt.box is None:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
    points = frame.to_input(np.array(prompt.points, dtype=np.float64).reshape(-1, 2))
    box = None if prompt.box is None else frame.to_input(np.array(prompt.box, dtype=np.float64).reshape(2, 2))
    coords, labels = LAYOUTS[layout](points, np.array(prompt.labels, dtype=np.int64), box)
    return coords.astype(np.float32), labels


def point_prompts(points: Coords, layout: PromptLayout = "sam") -> tuple[Tensor, Tensor]:
    """Make one prompt with a foreground point of each of `points` [P, 2]: coords [P, T, 2] and labels [P, T].

    Coordinates stay float64, as in the official generator.
    """
    foreground = np.array([Label.FOREGROUND], dtype=np.int64)
    laid: Sequence[tuple[Coords, Labels]] = [LAYOUTS[layout](point[None], foreground, None) for point in points]
    if not laid:
        return torch.zeros(0, 2, 2, dtype=torch.float64), torch.zeros(0, 2, dtype=torch.int64)
    return torch.from_numpy(np.stack([coords for coords, _ in laid])), torch.from_numpy(
        np.stack([labels for _, labels in laid])
    )
