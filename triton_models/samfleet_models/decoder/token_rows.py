"""The rows W that prompts add to the image tokens, as values of heads times matrices of the decoder.

A row of W (`samfleet_models.decoder.two_way_pass`) is the 16 values of a head and token times a matrix [16, 256]; the
last row is the constant `shift`. Its product with a matrix [256, E] needs the product of the head's matrix with that
one, which is made once: then a row costs 16 E multiplications instead of 256 E.
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
    """Rows [P, 2 J + 1, E]: values [P, 2 H, T, 16] of both layers times `matrices` [2 H, 16, E], then `last` [E]."""

    matrices: Tensor
    last: Tensor

    @classmethod
    def of(cls, weights: FoldedWeights) -> Self:
        """Return the rows W themselves, E = 256."""
        return cls(torch.cat([weights.gained_out, weights.to_tokens[1].out]), weights.shift)

    def under(self, matrix: Tensor) -> TokenRows:
        """Return the rows' products with `matrix` [256, E]."""
        return TokenRows(narrow(wide(self.matrices) @ wide(matrix)), narrow(wide(self.last) @ wide(matrix)))

    def __call__(self, values: Tensor) -> Tensor:
        rows = each_head(values, self.matrices).flatten(1, 2)
        return torch.cat([rows, self.last.expand(len(rows), 1, -1)], 1)
