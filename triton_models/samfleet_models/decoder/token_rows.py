"""The rows W that prompts add to the image tokens, as values of heads times matrices of the decoder.

A row of W (`samfleet_models.decoder.two_way_pass`) is the 16 values of a head and token times a matrix [16, 256]; the
last row is the constant `shift`. Its product with a matrix [256, E] needs the product of the head's matrix with that
one, which is made once: then a row costs 16 E multiplications instead of 256 E.

An image token's weights of the T tokens of a head sum to one. So T - 1 of them suffice: what the last token adds is
added everywhere, and the others add what they differ from it. The CPU kernels compute with these `DifferenceRows`,
which are one eighth fewer for a point of SAM.
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
    """Rows whose factors are weights of all tokens but the last one of each head, and of one constant row per layer.

    With F = 8 (T - 1), the rows of both layers are [P, 2 F + 2, E]: F of the first, its constant, the second's constant
    with `last`, and F of the second. The factor of a constant is what its layer multiplies all weights by.
    """

    def operands(self, values: Tensor) -> Tensor:
        last = values[:, :, -1:]
        return torch.cat([values[:, :, :-1] - last, last], 2)

    def first(self, rows: Tensor) -> Tensor:
        """Return [P, F + 1, E]; the last row is the constant."""
        return torch.cat([rows[:, :, :-1].flatten(1, 2), rows[:, :, -1].sum(1, keepdim=True)], 1)

    def __call__(self, operands: Tensor) -> Tensor:
        early, late = each_head(operands, self.matrices).chunk(2, 1)
        constant = late[:, :, -1].sum(1, keepdim=True).add_(self.last)
        return torch.cat([self.first(early), constant, late[:, :, :-1].flatten(1, 2)], 1)
