"""The sampler `salient`: points where the image embedding stands out from its surroundings.

The saliency is that of LOST (arXiv 2109.14279), which seeds an object at the patch that correlates positively with the
fewest others: patches of objects correlate with less of an image than those of its background. LOST takes the single
best seed, from features of a self-supervised ViT; this sampler takes every local maximum, from the embedding that the
decoder reads anyway. Nothing is learned.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from samfleet_models.mask_generation.crop_view import CropView, Points, SamplerTask
from samfleet_models.mask_generation.point_features import centred, image_extent

ROWS_AT_A_TIME = 512  # of the matrix of correlations: 8 MiB for an embedding of 64 x 64


def sample_salient(view: CropView) -> SamplerTask:
    """Sample the local maxima of the saliency, the most salient first, at most as many as the grid has points."""
    return view.points(salient_points(view, view.parameters.salient_window)[: view.points_per_side**2])


def salient_points(view: CropView, window: int) -> Points:
    """Return [n, 2] (x, y) in (0, 1) of the crop: the centres of the most salient cell in each window.

    A cell is a point if no cell within `window` cells around it (a square, the cell in its middle) is more salient.
    """
    bottom, right = image_extent(view)
    rows, columns = (max(1, math.floor(extent + 0.5)) for extent in (bottom, right))  # cells with their centre inside
    ranks = saliency_ranks(view.embedding[0, :, :rows, :columns].float())
    best = functional.max_pool2d(ranks[None].float(), window, stride=1, padding=window // 2)[0]
    y, x = torch.nonzero(ranks == best, as_tuple=True)
    order = torch.argsort(ranks[y, x], descending=True)
    cells = torch.stack([x, y], dim=1)[order].cpu().numpy() + 0.5
    points: Points = np.minimum(cells / np.array([right, bottom]), np.nextafter(1.0, 0.0))
    return points


def saliency_ranks(embedding: Tensor) -> Tensor:
    """Return ranks [h, w] int64 of the cells of `embedding` [C, h, w]: 0 for the least salient, no rank twice.

    The fewer cells a cell correlates positively with, the more salient it is; of equals, the first row by row is.
    """
    height, width = embedding.shape[1:]
    features = centred(embedding.flatten(1).T)
    degrees = torch.cat([(part @ features.T >= 0).sum(1) for part in torch.split(features, ROWS_AT_A_TIME)])
    order = torch.argsort(degrees, stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order) - 1, -1, -1, device=order.device)
    return ranks.view(height, width)
