"""Projections of the N image tokens, laid out for the operators that read them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from samfleet_models.modeling.transformer import HEADS

TILE = 64  # image tokens that the kernels process together


class Layout(Protocol):
    """Lays out `matrix` [128, 256] applied to `tokens` [N, 256]: 16 channels of each of 8 heads."""

    def channels(self, matrix: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return a float32 table whose neighbours in memory are image tokens, plus `bias` [128]."""
        ...

    def values(self, matrix: Tensor, tokens: Tensor) -> Tensor:
        """Return a float32 table of values, which are summed over the image tokens."""
        ...

    def operand(self, table: Tensor) -> Tensor:
        """Return a table of `channels` or `values` as the operand of products."""
        ...

    def first_keys(self, table: Tensor) -> Tensor:
        """Return the table of the first attention's keys as the operand of products."""
        ...


@dataclass(frozen=True, slots=True)
class ByHead:
    """Tables [H, 16, N], for torch's operators; operands are of `dtype`."""

    dtype: torch.dtype = torch.float32

    def channels(self, matrix: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        table = torch.mm(matrix, tokens.T).view(HEADS, -1, len(tokens))
        return table if bias is None else table + bias.view(HEADS, -1, 1)

    def values(self, matrix: Tensor, tokens: Tensor) -> Tensor:
        return self.channels(matrix, tokens)

    def operand(self, table: Tensor) -> Tensor:
        return table.to(self.dtype)

    def first_keys(self, table: Tensor) -> Tensor:
        return self.operand(table)


class ByTile:
    """Tables [tiles, 128, 64] and values [tiles, 64, 128], for the kernels of `samfleet_kernels`.

    The last tile is filled up with image tokens of zeros.
    """

    def channels(self, matrix: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        table = torch.matmul(matrix, tiles(tokens).transpose(1, 2))
        return table if bias is None else table + bias[:, None]

    def values(self, matrix: Tensor, tokens: Tensor) -> Tensor:
        return torch.matmul(tiles(tokens), matrix.T)

    def operand(self, table: Tensor) -> Tensor:
        return table

    def first_keys(self, table: Tensor) -> Tensor:
        return table


class PairsByTile(ByTile):
    """Operands are bfloat16 [tiles, k / 2, n, 2] of tables [tiles, k, n]: two rows that a product adds are neighbours.

    The first keys stay float32: half of the tokens' error came from rounding them, and they are few products.
    """

    def operand(self, table: Tensor) -> Tensor:
        pairs = table.to(torch.bfloat16).view(len(table), -1, 2, table.shape[2])
        return pairs.transpose(2, 3).contiguous()


def tiles(rows: Tensor) -> Tensor:
    """Return [tiles, 64, C] of `rows` [N, C], one per image token."""
    missing = -len(rows) % TILE
    filled = functional.pad(rows, (0, 0, 0, missing)) if missing else rows.contiguous()  # padding by nothing copies
    return filled.view(-1, TILE, rows.shape[1])
