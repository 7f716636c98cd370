"""The up-scaling of SAM's mask decoder as matrix products, from the factors of `samfleet_models.folded.scoring`.

A transposed convolution whose kernel equals its stride is a linear map per pixel: 256 channels become 4 sub-pixels of
64, and after LayerNorm and GELU each of these 4 sub-pixels of 32. On x = gain · r₁ · (r₀ K₁ + B W) + shift the first
map U is (r₁ r₀) · (K₁ U) + (r₁ B) · (W U) + constants: K₁ U is made once per image, W U has a few rows. The masks'
kernels meet the last 32 channels as one product, so masks that nobody asked for are never formed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from samfleet_models.folded.context import ImageContext
from samfleet_models.folded.factors import Factors
from samfleet_models.folded.products import product
from samfleet_models.folded.weights import SUBPIXELS, FoldedWeights
from samfleet_models.folded.workspace import Workspace
from samfleet_models.mask_decoder import MASKS
from samfleet_models.onednn import linear
from samfleet_models.transformer import DIM, HEADS

PAIRS = {torch.float32: torch.int64, torch.bfloat16: torch.int32, torch.float16: torch.int32}  # of two numbers
TILE = {"cpu": 16, "cuda": 64}  # rows of the embedding drawn together; 16 keep the buffers near the cores (measured)


def drawn_bytes(pixels: int, points: int) -> int:
    """What drawing takes per prompt of `points` points, on an embedding of `pixels` image tokens."""
    channels = 2 * DIM + SUBPIXELS * DIM // 2  # of both convolutions, and of the normed pixels between them
    return 4 * pixels * (channels + 2 * (2 * HEADS * (1 + MASKS + points) + 1) + 2 * SUBPIXELS**2 * MASKS)


def draw_masks(
    weights: FoldedWeights,
    context: ImageContext,
    factors: Factors,
    kernels: Tensor,
    counts: Sequence[int],
    out: Tensor,
    workspace: Workspace,
) -> None:
    """Logits `out` [k, 4 * side, 4 * side] of the `kernels` [k, 32] of g prompts of one image, some rows at a time.

    `counts` says how many kernels each prompt has, in order. `kernels` and `out` have the type of drawing.
    """
    side, rows = context.side, TILE[out.device.type]
    projected = product(factors.tokens, weights.up_scaling.first.expand(len(counts), -1, -1)).to(out.dtype)  # W U
    image = _turned(factors.image, out.dtype, workspace)
    pair = PAIRS[out.dtype]
    pairs = out.view(pair)  # two neighbours in x move as one
    blocks = pairs.view(-1, side, 2, 2, side, 2)  # y, y of the sub-pixel, y of its sub-pixel, x, x of the sub-pixel
    for top in range(0, side, rows):
        span = slice(top * side, (top + rows) * side)
        features = _pixel_features(weights, context, factors, image, projected, span, workspace)
        logits = _each_prompt(kernels, counts, features).view(pair)
        tile = logits.view(len(kernels), -1, side, 2, 2, 2)  # y, x, y and x of the sub-pixel, y of its sub-pixel
        blocks[:, top : top + rows] = tile.permute(0, 1, 3, 5, 2, 4)


def _turned(image: Tensor, dtype: torch.dtype, workspace: Workspace) -> Tensor:
    """[g, N, 2 J + 1] of `image` [g, 2 J + 1, N]; one prompt's as a matrix, for which torch has a fast way."""
    prompts, rows, pixels = image.shape
    turned = workspace.take("turned", prompts, pixels, rows, dtype=dtype)
    if prompts == 1:
        turned[0].copy_(image[0].to(dtype).T)
    else:
        turned.copy_(image.transpose(1, 2))
    return turned


def _each_prompt(kernels: Tensor, counts: Sequence[int], features: Tensor) -> Tensor:
    """[k, m] of `kernels` [k, 32] on their own prompts' `features` [g, m, 32]."""
    if len(counts) == 1:
        return product(kernels[None], features.transpose(1, 2))[0]
    held = torch.arange(max(counts)) < torch.tensor(counts)[:, None]  # [g, most masks of a prompt]
    prompts, places = held.nonzero().T.to(kernels.device)
    padded = kernels.new_zeros(*held.shape, kernels.shape[1])
    padded[prompts, places] = kernels
    return torch.bmm(padded, features.transpose(1, 2))[prompts, places]


def _pixel_features(
    weights: FoldedWeights,
    context: ImageContext,
    factors: Factors,
    image: Tensor,
    projected: Tensor,
    span: slice,
    workspace: Workspace,
) -> Tensor:
    """Features [g, n * 16, 32] of the mask pixels of n image tokens, ordered (token, sub-pixel, sub-pixel)."""
    up = weights.up_scaling
    base, count = context.pixels[span], len(projected)
    first = workspace.take("first convolution", count, *base.shape, dtype=base.dtype)
    torch.addcmul(up.first_bias, base, factors.scale[:, :, span].transpose(1, 2).to(base.dtype), out=first)
    first = product(image[:, span], projected, add=first)
    pixels = first.view(-1, up.second.weight.shape[1])  # [g * n * 4, 64]
    normed = functional.layer_norm(pixels, pixels.shape[1:], up.norm_weight, up.norm_bias, up.norm_epsilon)
    torch.ops.aten.gelu_(normed)
    second = linear(normed, up.second.weight, up.second.bias)  # [g * n * 4, 4 * 32]
    torch.ops.aten.gelu_(second)
    return second.view(count, len(base) * SUBPIXELS**2, -1)
