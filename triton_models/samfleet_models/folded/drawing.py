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
from samfleet_models.folded.weights import SUBPIXELS, FoldedWeights
from samfleet_models.folded.workspace import Workspace


def pixel_features(weights: FoldedWeights, context: ImageContext, factors: Factors, workspace: Workspace) -> Tensor:
    """Features [g, N * 16, 32] of the mask pixels of `factors`' g prompts, ordered (pixel, sub-pixel, sub-pixel)."""
    up = weights.up_scaling
    count, _, size = factors.image.shape
    scale = (factors.first * factors.second).transpose(1, 2)  # [g, N, 1]
    first = workspace.take("first convolution", count, size, context.pixels.shape[1])
    torch.addcmul(up.first_bias, context.pixels, scale, out=first)
    image = workspace.take("spread", *factors.image.shape)
    torch.mul(factors.image, factors.second, out=image)
    torch.baddbmm(first, image.transpose(1, 2), factors.tokens @ up.first, out=first)
    pixels = first.view(-1, up.second.weight.shape[1])  # [g * N * 4, 64]
    normed = functional.layer_norm(pixels, pixels.shape[1:], up.norm_weight, up.norm_bias, up.norm_epsilon)
    torch.ops.aten.gelu_(normed)
    second = workspace.take("second convolution", len(normed), len(up.second.weight))
    torch.addmm(up.second.bias, normed, up.second.weight.T, out=second)
    torch.ops.aten.gelu_(second)
    return second.view(count, size * SUBPIXELS**2, -1)


def mask_logits(features: Tensor, kernels: Tensor, side: int) -> Tensor:
    """Logits [n, 4 * side, 4 * side] of `kernels` [n, 32] on one prompt's `features` [N * 16, 32]."""
    logits = torch.mm(kernels, features.T)
    blocks = logits.view(-1, side, side, 2, 2, 2, 2)  # y, x, y and x of the sub-pixel, y and x of its sub-pixel
    return blocks.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 4 * side, 4 * side)
