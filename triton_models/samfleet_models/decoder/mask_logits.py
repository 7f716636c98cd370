"""Masks from the features of `samfleet_models.decoder.output_upscaling`.

A mask's kernel is multiplied with the 32 channels of every mask pixel in one product, so masks that are not requested
are never formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.matmul import product
from samfleet_models.decoder.output_upscaling import SUBPIXELS, PixelTerms, UpScaling
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.mask_decoder import MASKS, ImageFeatures
from samfleet_models.modeling.transformer import DIM, HEADS

# The type that stores a pair of numbers as one.
PAIRS = {torch.float32: torch.int64, torch.bfloat16: torch.int32, torch.float16: torch.int32}
TILE = {"cpu": 16, "cuda": 64}  # embedding rows drawn together; 16 keep the buffers in the cores' caches (measured)


class Drawing(Protocol):
    def bytes_per_prompt(self, pixels: int, tokens: int) -> int:
        """Return the bytes that drawing needs for a prompt of `tokens`, on an embedding of `pixels` image tokens."""
        ...

    def terms(self, k1: Tensor, features: ImageFeatures) -> PixelTerms:
        """Return the terms of one image with tokens `k1` [N, 256], as `draw` reads them."""
        ...

    def draw(
        self,
        context: ImageContext,
        factors: Factors,
        kernels: Tensor,
        counts: Sequence[int],
        out: Tensor,
        workspace: Workspace,
    ) -> None:
        """Write the logits `out` [k, 4 * side, 4 * side] of the `kernels` [k, C] of g prompts of one image.

        `counts` is the number of kernels of each prompt, in order. `kernels` and `out` have the type of drawing.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlainDrawing:
    """Draws with kernels [k, 32] on the features, some rows of the embedding at a time."""

    up_scaling: UpScaling

    def bytes_per_prompt(self, pixels: int, tokens: int) -> int:
        channels = 2 * DIM + SUBPIXELS * DIM // 2  # both convolutions, and the normalised pixels between them
        return 4 * pixels * (channels + 2 * (2 * HEADS * tokens + 1) + 2 * SUBPIXELS**2 * MASKS)

    def terms(self, k1: Tensor, features: ImageFeatures) -> PixelTerms:
        return self.up_scaling.terms(k1, features)

    def draw(
        self,
        context: ImageContext,
        factors: Factors,
        kernels: Tensor,
        counts: Sequence[int],
        out: Tensor,
        workspace: Workspace,
    ) -> None:
        side = context.side
        pair = PAIRS[out.dtype]
        pairs = out.view(pair)  # two neighbours in x are copied as one number
        blocks = pairs.view(-1, side, 2, 2, side, 2)  # y, y of the sub-pixel, y of its sub-pixel, x, x of the sub-pixel
        spans = row_spans(side, TILE[out.device.type])
        tiles = self.up_scaling.features(context.pixels, factors, spans, workspace)
        for span, features in zip(spans, tiles, strict=True):
            logits = each_prompt(kernels, counts, features).view(pair)
            tile = logits.view(len(kernels), -1, side, 2, 2, 2)  # y, x, y and x of the sub-pixel, y of its sub-pixel
            blocks[:, span.start // side : span.stop // side] = tile.permute(0, 1, 3, 5, 2, 4)


def row_spans(side: int, rows: int) -> list[slice]:
    """Return slices of image tokens, at most `rows` rows of the embedding each, all of them in order."""
    return [slice(top * side, min(top + rows, side) * side) for top in range(0, side, rows)]


def each_prompt(kernels: Tensor, counts: Sequence[int], features: Tensor) -> Tensor:
    """Return [k, m]: `kernels` [k, 32] applied to the `features` [g, m, 32] of their prompts."""
    if len(counts) == 1:
        return product(kernels[None], features.transpose(1, 2))[0]
    if len(set(counts)) == 1:
        return torch.bmm(kernels.view(len(counts), counts[0], -1), features.transpose(1, 2)).flatten(0, 1)
    held = torch.arange(max(counts)) < torch.tensor(counts)[:, None]  # [g, most masks of a prompt]
    prompts, places = to_device(held.nonzero().T, kernels.device)
    padded = kernels.new_zeros(*held.shape, kernels.shape[1])
    padded[prompts, places] = kernels
    return torch.bmm(padded, features.transpose(1, 2))[prompts, places]
