"""The image tokens of many prompts as products of a shared part and small factors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from samfleet_models.decoder.matmul import by_head
from samfleet_models.decoder.tables import TILE
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.transformer import DIM, HEADS

CHANNELS = DIM // 2 // HEADS  # of a head in the attentions between tokens and image


def row_count(pairs: int, *, differences: bool) -> int:
    """Return the number of rows of `Factors.image` for `pairs` (J) of heads and tokens."""
    return 2 * (pairs - HEADS) + 2 if differences else 2 * pairs + 1


def scored_bytes(pixels: int, tokens: int, *, differences: bool) -> int:
    """Return the bytes that a prompt of `tokens` keeps until it is drawn, on `pixels` image tokens, in float32.

    `tokens` includes the decoder's own.
    """
    return 4 * pixels * (row_count(HEADS * tokens, differences=differences) + 1)  # `image` and `scale`


@dataclass(frozen=True, slots=True)
class Factors:
    """The image tokens of P prompts after the transformer: gain · (scale · K₁ + image · tokens) + shift.

    In the terms of `samfleet_models.decoder.two_way_pass`, `image` is (r₁ B)ᵀ [P, 2 J + 1, N], `tokens` is
    W [P, 2 J + 1, 256] and `scale` is r₁ r₀ [P, 1, N]; during the second layer they do not contain r₁ yet. `image` has
    the type of scoring and is in a workspace: the next pass overwrites it. The others are float32.

    The CPU kernels have the K = 2 F + 2 rows of `samfleet_models.decoder.token_rows.DifferenceRows` instead of 2 J + 1.
    Their `image` may be [P, tiles, K, 64], filled up behind the last image token; `tokens` are then the operands [P, 2
    H, T, 16] of these rows.
    """

    image: Tensor
    tokens: Tensor
    scale: Tensor

    @classmethod
    def taken(
        cls,
        workspace: Workspace,
        prompts: int,
        pairs: int,
        pixels: int,
        dtype: torch.dtype = torch.float32,
        *,
        differences: bool = False,
        by_tile: bool = False,
    ) -> Factors:
        """Return uninitialised factors for `pairs` (J) of heads and tokens; those by tile are of differences."""
        rows = row_count(pairs, differences=differences or by_tile)
        shape = (prompts, -(-pixels // TILE), rows, TILE) if by_tile else (prompts, rows, pixels)
        tokens = (2 * HEADS, pairs // HEADS, CHANNELS) if by_tile else (rows, DIM)
        image = workspace.take("image", *shape, dtype=dtype)
        return cls(
            image=image,
            tokens=image.new_empty(prompts, *tokens, dtype=torch.float32),
            scale=image.new_empty(prompts, 1, pixels, dtype=torch.float32),
        )

    def group(self, rows: slice | Tensor) -> Factors:
        """Return the factors of some prompts; a slice makes no copy."""
        return Factors(self.image[rows], self.tokens[rows], self.scale[rows])

    @property
    def by_tile(self) -> bool:
        return self.image.dim() > self.scale.dim()

    @property
    def early(self) -> Tensor:
        """(r₀ A₀)ᵀ [P, H, T, N]."""
        return by_head(self.image[:, : self.image.shape[1] // 2])

    @property
    def late(self) -> Tensor:
        """A₁ᵀ [P, H, T, N]."""
        return by_head(self.image[:, self.image.shape[1] // 2 : -1])
