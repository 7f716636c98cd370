"""The sampler `adaptive`: grids from coarse to dense, without points that look like the mask that covers them.

It follows the idea of adaptive sampling and filtering in AoP-SAM (arXiv 2505.11980): go from coarse to fine, and drop
prompts inside masks whose embedding they resemble. AoP-SAM learns where to prompt; nothing is learned here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samfleet_models.mask_generation.candidates import Candidates
from samfleet_models.mask_generation.crop_view import CropView, SamplerTask
from samfleet_models.mask_generation.point_features import Features, covered, features_at
from samfleet_models.mask_generation.point_grid import pixels_of, point_grid

Marks = NDArray[np.bool_]


def sample_adaptively(view: CropView) -> SamplerTask:
    """Sample the dense grid in levels; each level skips the points that the masks found before make redundant."""
    parameters = view.parameters
    dense = point_grid(view.points_per_side)
    features = features_at(view, dense)
    redundant = np.zeros(len(dense), dtype=np.bool_)
    found: list[Candidates] = []
    for level in grid_levels(view.points_per_side, parameters.adaptive_levels):
        part = yield from view.points(dense[level & ~redundant])
        redundant |= redundant_points(view, part, features, parameters.similarity_thresh)
        found.append(part)
    return Candidates.joined(found)


def grid_levels(points_per_side: int, levels: int) -> list[Marks]:
    """Return the levels of a dense grid, each as marks [n * n] of its points, row by row.

    Each level has every second, fourth, ... point in both directions, the last has the rest. Level by level the
    distance halves. Each point is in one level.
    """
    known = np.zeros(points_per_side**2, dtype=np.bool_)
    found = []
    for level in reversed(range(levels)):
        step = 2**level
        side = np.arange(points_per_side) % step == step // 2
        marks = np.logical_and.outer(side, side).ravel() & ~known
        known |= marks
        if marks.any():
            found.append(marks)
    return found


def redundant_points(view: CropView, found: Candidates, features: Features, threshold: float) -> Marks:
    """Mark the points of the dense grid that lie in a mask of `found` and look like it.

    A point looks like a mask if the cosine of its feature with the mean feature of the mask's points is at least
    `threshold`. `features` [n, C] are those of the dense grid's points.
    """
    pixels = pixels_of(point_grid(view.points_per_side), view.crop.size) + np.array(view.crop.box[:2])
    height, _ = view.view.placement.image
    redundant = np.zeros(len(pixels), dtype=np.bool_)
    for counts in found.masks.counts:
        inside = covered(counts, pixels, height)
        members = features[inside]
        mean = members.sum(axis=0)
        length = np.linalg.norm(mean)
        if length > 0:
            redundant[inside] |= members @ (mean / length) >= threshold
    return redundant
