"""The up-scaling of SAM's mask decoder as matrix products, from the factors of `samfleet_models.folded.scoring`.

A transposed convolution whose kernel equals its stride is a linear map per pixel: 256 channels become 4 sub-pixels of
64, and after LayerNorm and GELU each of these 4 sub-pixels of 32. On x = gain · r₁ · (r₀ K₁ + B W) + shift the first
map U is (r₁ r₀) · (K₁ U) + (r₁ B) · (W U) + constants: K₁ U is made once per image, W U has a few rows. The masks'
kernels meet the last 32 channels as one product, so masks that nobody asked for are never formed.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from samfleet_models.folded.context import ImageContext
from samfleet_models.folded.factors import Factors
from samfleet_models.folded.products import linear, product
from samfleet_models.folded.weights import SUBPIXELS, FoldedWeights
from samfleet_models.folded.workspace import Workspace

TILE = {"cpu": 16, "cuda": 64}  # rows of the embedding drawn together; 16 keep the buffers near the cores (measured)


def draw_masks(
    weights: FoldedWeights,
    context: ImageContext,
    factors: Factors,
    kernels: Tensor,
    out: Tensor,
    workspace: Workspace,
) -> None:
    """Logits `out` [k, 4 * side, 4 * side] of one prompt's `kernels` [k, 32], a tile of pixels at a time."""
    side, rows = context.side, TILE[out.device.type]
    projected = factors.tokens @ weights.up_scaling.first  # W U [1, 2 J + 1, 256]
    scale = (factors.first * factors.second)[0].T  # [N, 1]
    pairs = out.view(torch.int64)  # two neighbours in x move as one
    blocks = pairs.view(-1, side, 2, 2, side, 2)  # y, y of the sub-pixel, y of its sub-pixel, x, x of the sub-pixel
    for top in range(0, side, rows):
        span = slice(top * side, (top + rows) * side)
        features = _pixel_features(weights, context, factors, projected, scale, span, workspace)
        logits = torch.mm(kernels, features.T).view(torch.int64)
        tile = logits.view(len(kernels), -1, side, 2, 2, 2)  # y, x, y and x of the sub-pixel, y of its sub-pixel
        blocks[:, top : top + rows] = tile.permute(0, 1, 3, 5, 2, 4)


def _pixel_features(
    weights: FoldedWeights,
    context: ImageContext,
    factors: Factors,
    projected: Tensor,
    scale: Tensor,
    span: slice,
    workspace: Workspace,
) -> Tensor:
    """Features [n * 16, 32] of the mask pixels in a span of n image tokens, ordered (token, sub-pixel, sub-pixel)."""
    up = weights.up_scaling
    base = context.pixels[span]
    first = workspace.take("first convolution", *base.shape)
    torch.addcmul(up.first_bias, base, scale[span], out=first)
    image = workspace.take("spread", len(base), factors.image.shape[1])
    torch.mul(factors.image[0, :, span].T, factors.second[0, :, span].T, out=image)
    first = product(image[None], projected, add=first[None])[0]
    pixels = first.view(-1, up.second.weight.shape[1])  # [n * 4, 64]
    normed = functional.layer_norm(pixels, pixels.shape[1:], up.norm_weight, up.norm_bias, up.norm_epsilon)
    torch.ops.aten.gelu_(normed)
    second = linear(normed, up.second.weight, up.second.bias)  # [n * 4, 4 * 32]
    torch.ops.aten.gelu_(second)
    return second.view(len(base) * SUBPIXELS**2, -1)
