"""Masks from the features of `samfleet_models.decoder.output_upscaling`.

A mask's kernel meets the 32 channels of every mask pixel as one product, so masks that nobody asked for are never
formed.
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
from samfleet_models.decoder.output_upscaling import SUBPIXELS, UpScaling
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.device.transfers import to_device
from samfleet_models.modeling.mask_decoder import MASKS
from samfleet_models.modeling.transformer import DIM, HEADS

PAIRS = {torch.float32: torch.int64, torch.bfloat16: torch.int32, torch.float16: torch.int32}  # of two numbers
TILE = {"cpu": 16, "cuda": 64}  # rows of the embedding drawn together; 16 keep the buffers near the cores (measured)


class Drawing(Protocol):
    def bytes_per_prompt(self, pixels: int, tokens: int) -> int:
        """What drawing takes for a prompt of so many `tokens`, on an embedding of `pixels` image tokens."""
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
        """Logits `out` [k, 4 * side, 4 * side] of the `kernels` [k, C] of g prompts of one image.

        `counts` says how many kernels each prompt has, in order. `kernels` and `out` have the type of drawing.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlainDrawing:
    """Kernels [k, 32] on the features, some rows of the embedding at a time."""

    up_scaling: UpScaling

    def bytes_per_prompt(self, pixels: int, tokens: int) -> int:
        channels = 2 * DIM + SUBPIXELS * DIM // 2  # of both convolutions, and of the normed pixels between them
        return 4 * pixels * (channels + 2 * (2 * HEADS * tokens + 1) + 2 * SUBPIXELS**2 * MASKS)

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
        pairs = out.view(pair)  # two neighbours in x move as one
        blocks = pairs.view(-1, side, 2, 2, side, 2)  # y, y of the sub-pixel, y of its sub-pixel, x, x of the sub-pixel
        spans = row_spans(side, TILE[out.device.type])
        tiles = self.up_scaling.features(context.pixels, factors, spans, workspace)
        for span, features in zip(spans, tiles, strict=True):
            logits = each_prompt(kernels, counts, features).view(pair)
            tile = logits.view(len(kernels), -1, side, 2, 2, 2)  # y, x, y and x of the sub-pixel, y of its sub-pixel
            blocks[:, span.start // side : span.stop // side] = tile.permute(0, 1, 3, 5, 2, 4)


def row_spans(side: int, rows: int) -> list[slice]:
    """The image tokens of at most so many `rows` of the embedding each, all of them in order."""
    return [slice(top * side, min(top + rows, side) * side) for top in range(0, side, rows)]


def each_prompt(kernels: Tensor, counts: Sequence[int], features: Tensor) -> Tensor:
    """[k, m] of `kernels` [k, 32] on their own prompts' `features` [g, m, 32]."""
    if len(counts) == 1:
        return product(kernels[None], features.transpose(1, 2))[0]
    if len(set(counts)) == 1:
        return torch.bmm(kernels.view(len(counts), counts[0], -1), features.transpose(1, 2)).flatten(0, 1)
    held = torch.arange(max(counts)) < torch.tensor(counts)[:, None]  # [g, most masks of a prompt]
    prompts, places = to_device(held.nonzero().T, kernels.device)
    padded = kernels.new_zeros(*held.shape, kernels.shape[1])
    padded[prompts, places] = kernels
    return torch.bmm(padded, features.transpose(1, 2))[prompts, places]
