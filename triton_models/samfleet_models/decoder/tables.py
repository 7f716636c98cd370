"""Projections of the N image tokens, laid out for the operators that read them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from samfleet_models.modeling.transformer import HEADS

TILE = 64  # image tokens that the kernels process together


class Layout(Protocol):
    """Lays out `matrix` [128, 256] applied to `tokens` [N, 256]: 16 channels of each of 8 heads."""

    def channels(self, matrix: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return a table whose neighbours in memory are image tokens, plus `bias` [128]."""
        ...

    def values(self, matrix: Tensor, tokens: Tensor) -> Tensor:
        """Return a table of values, which are summed over the image tokens."""
        ...


class ByHead:
    """Tables [H, 16, N], for torch's operators."""

    def channels(self, matrix: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        table = torch.mm(matrix, tokens.T).view(HEADS, -1, len(tokens))
        return table if bias is None else table + bias.view(HEADS, -1, 1)

    def values(self, matrix: Tensor, tokens: Tensor) -> Tensor:
        return self.channels(matrix, tokens)


class ByTile:
    """Tables [tiles, 128, 64] and values [tiles, 64, 128], for the kernels of `samfleet_kernels`.

    The last tile is filled up with image tokens of zeros.
    """

    def channels(self, matrix: Tensor, tokens: Tensor, bias: Tensor | None = None) -> Tensor:
        table = torch.matmul(matrix, tiles(tokens).transpose(1, 2))
        return table if bias is None else table + bias[:, None]

    def values(self, matrix: Tensor, tokens: Tensor) -> Tensor:
        return torch.matmul(tiles(tokens), matrix.T)


def tiles(rows: Tensor) -> Tensor:
    """Return [tiles, 64, C] of `rows` [N, C], one per image token."""
    return functional.pad(rows, (0, 0, 0, -len(rows) % TILE)).view(-1, TILE, rows.shape[1])


def address(x: Tensor) -> int:
    """Return the address of a tensor that the kernels can read. A wrong layout is a defect of this package."""
    if not x.is_contiguous() or x.dtype != torch.float32:
        raise TypeError(f"the kernels need contiguous float32, not {x.dtype} with strides {x.stride()}")
    return x.data_ptr()
