"""The rows W that prompts add to the image tokens, as values of heads times matrices of the decoder.

A row of W (`samfleet_models.decoder.two_way_pass`) is the 16 values of a head and token times a matrix [16, 256]; the
last row is the constant `shift`. Its product with a matrix [256, E] needs the product of the head's matrix with that
one, which is made once: then a row costs 16 E multiplications instead of 256 E.

An image token's weights a of the T tokens of a head sum to one. So the sum of a · v over them is the last value l,
plus the sum of a · (v - l) over the others; or the mean m, plus the sum of (a - last a) · (v - m). The CPU kernels
compute with these rows, which are one eighth fewer for a point of SAM: `DifferenceRows` lose less to rounding in
float32, `MeanRows` with products in bfloat16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.matmul import each_head
from samfleet_models.decoder.numerics import narrow, wide


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Rows of E numbers, of the values of all tokens, by `matrices` [2 H, 16, E] of both layers and `last` [E]."""

    matrices: Tensor
    last: Tensor

    @classmethod
    def of(cls, weights: FoldedWeights) -> Self:
        """Return the rows W themselves, E = 256."""
        return cls(torch.cat([weights.gained_out, weights.to_tokens[1].out]), weights.shift)

    def under(self, matrix: Tensor) -> Self:
        """Return the rows' products with `matrix` [256, E]."""
        return type(self)(narrow(wide(self.matrices) @ wide(matrix)), narrow(wide(self.last) @ wide(matrix)))

    def operands(self, values: Tensor) -> Tensor:
        """Return what rows are made of, of the values [P, H, T, 16] of a layer; it has their shape."""
        return values

    def first(self, rows: Tensor) -> Tensor:
        """Return the rows [P, J, E] of the first layer alone, from those of its operands [P, H, T, E]."""
        return rows.flatten(1, 2)

    def __call__(self, operands: Tensor) -> Tensor:
        """Return [P, 2 J + 1, E], of the operands [P, 2 H, T, 16] of both layers."""
        rows = each_head(operands, self.matrices).flatten(1, 2)
        return torch.cat([rows, self.last.expand(len(rows), 1, -1)], 1)


@dataclass(frozen=True, slots=True)
class DifferenceRows(TokenRows):
    """Rows of all tokens but the last one of each head, minus it, and one constant row per layer: the last tokens.

    With F = 8 (T - 1), the rows of both layers are [P, 2 F + 2, E]: F of each, the first's constant, and the second's
    with `last`. The factor of a constant is what its layer multiplies all weights by. The last of the T operands is
    that of the constant.
    """

    def operands(self, values: Tensor) -> Tensor:
        return self._minus(values, values[:, :, -1:])

    @staticmethod
    def _minus(values: Tensor, constant: Tensor) -> Tensor:
        return torch.cat([values[:, :, :-1] - constant, constant], 2)

    def first(self, rows: Tensor) -> Tensor:
        """Return [P, F + 1, E]; the last row is the constant."""
        return torch.cat([rows[:, :, :-1].flatten(1, 2), rows[:, :, -1].sum(1, keepdim=True)], 1)

    def __call__(self, operands: Tensor) -> Tensor:
        rows = each_head(operands, self.matrices)
        constants = torch.stack([layer[:, :, -1].sum(1) for layer in rows.chunk(2, 1)], 1)
        constants[:, 1] += self.last
        return torch.cat([rows[:, :, :-1].flatten(1, 2), constants], 1)


@dataclass(frozen=True, slots=True)
class MeanRows(DifferenceRows):
    """Rows with the mean over all tokens in place of the last; their factors are differences from the last weight."""

    def operands(self, values: Tensor) -> Tensor:
        return self._minus(values, values.mean(2, keepdim=True))
