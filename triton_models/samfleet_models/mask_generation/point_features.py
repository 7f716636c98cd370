"""The image embedding as features of points and cells, and which points masks cover."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from samfleet.masks.rle import run_lengths
from samfleet_models.images.transforms import ImageFrame
from samfleet_models.mask_generation.crop_view import CropView, Points

Features = NDArray[np.float32]


def image_extent(view: CropView) -> tuple[float, float]:
    """Return (height, width) of the crop in cells of its embedding; the rest of the embedding is padding."""
    frame: ImageFrame = view.view.frame
    height, width = view.crop.size
    right, bottom = frame.to_input(np.array([width, height], dtype=np.float64)) / frame.input_size
    rows, columns = view.embedding.shape[-2:]
    return float(bottom * rows), float(right * columns)


def centred(features: Tensor) -> Tensor:
    """Subtract the mean of `features` [n, C] and scale each to length 1; a zero vector stays zero.

    Embeddings share a large common part; without it, cosines tell parts of an image apart.
    """
    return functional.normalize(features - features.mean(0), dim=1)


def features_at(view: CropView, points: Points) -> Features:
    """Return centred unit features [n, C] of `points` [n, 2] (x, y) in (0, 1) of the crop, on the host.

    The embedding is interpolated bilinearly between the centres of its cells.
    """
    rows, columns = view.embedding.shape[-2:]
    bottom, right = image_extent(view)
    places = torch.from_numpy(points * np.array([right / columns, bottom / rows])).float() * 2 - 1
    embedding = view.embedding.float()
    grid = places.to(embedding.device)[None, None]
    found = functional.grid_sample(embedding, grid, padding_mode="border", align_corners=False)
    features: Features = centred(found[0, :, 0].T).cpu().numpy()
    return features


def covered(counts: str, pixels: NDArray[np.int64], height: int) -> NDArray[np.bool_]:
    """Mark the `pixels` [n, 2] (x, y) inside a mask, given as COCO run lengths of an image of that height.

    It searches the run lengths, so that no mask is drawn.
    """
    ends = np.cumsum(run_lengths(counts))
    places = pixels[:, 0] * height + pixels[:, 1]  # run lengths go down the columns
    inside: NDArray[np.bool_] = np.searchsorted(ends, places, side="right") % 2 == 1
    return inside
