"""The steps of the two-way transformer on the tokens of prompts, between the attentions over the image tokens.

`samfleet_models.decoder.two_way_pass` states the algebra and the names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.matmul import by_head, each_head, join_heads, split_heads
from samfleet_models.decoder.token_rows import TokenRows
from samfleet_models.decoder.two_way_pass import FINAL, mean_products
from samfleet_models.modeling.transformer import TwoWayTransformer


class TokenSteps(Protocol):
    """Steps on the tokens [P, T, 256] of prompts; queries, keys and values by head are [P, H, T, 16].

    `layer` is 0 or 1, `attention` the number of one of the three attentions from tokens to the image. What an
    implementation returns as `rows` only it can read.
    """

    def attend_to_each_other(self, layer: int, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return the tokens [P, T, 256] after a layer's attention between tokens and its norm."""
        ...

    def queries(self, attention: int, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return the queries of an attention to the image."""
        ...

    def keys_and_operands(self, layer: int, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys of an attention from the image, and of its values what rows are made of."""
        ...

    def rows(self, operands: Tensor) -> Tensor:
        """Return the rows V₀ of the first layer for its operands [P, H, T, 16], or W for those of both layers."""
        ...

    def formed(self, rows: Tensor) -> Tensor:
        """Return rows as [P, k, 256]."""
        ...

    def against(self, attention: int, queries: Tensor, rows: Tensor) -> Tensor:
        """Return [P, J, k]: queries of an attention to the image against the keys of `rows`."""
        ...

    def late_against(self, keys: Tensor, rows: Tensor) -> Tensor:
        """Return [P, J, k]: keys of the second attention from the image against the queries of `rows`."""
        ...

    def squares(self, rows: Tensor) -> Tensor:
        """Return [P, k, k]: means over the channels of the products of pairs of rows, defined where row <= column."""
        ...

    def gather(self, attention: int, gathered: Tensor, rows: Tensor, seen: Tensor) -> Tensor:
        """Return `seen` [P, H, T, 16] plus the values of the weighted rows, for the weights `gathered` [P, J, k]."""
        ...

    def update(self, layer: int, tokens: Tensor, seen: Tensor) -> Tensor:
        """Return the tokens after a layer's attention to the image, whose result is `seen`, and its feed-forward."""
        ...

    def finish(self, tokens: Tensor, seen: Tensor) -> Tensor:
        """Return the tokens after the final attention to the image and its norm."""
        ...


@dataclass(frozen=True, slots=True)
class TorchSteps:
    """The steps by torch's operators, on any device."""

    transformer: TwoWayTransformer
    weights: FoldedWeights
    made: TokenRows

    def attend_to_each_other(self, layer: int, tokens: Tensor, positions: Tensor) -> Tensor:
        return self.transformer.blocks[layer].attend_to_each_other(tokens, positions)

    def queries(self, attention: int, tokens: Tensor, positions: Tensor) -> Tensor:
        return split_heads(self.weights.to_image[attention].query(tokens + positions))

    def keys_and_operands(self, layer: int, tokens: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        place = self.weights.to_tokens[layer]
        return split_heads(place.key(tokens + positions)), self.made.operands(split_heads(place.value(tokens)))

    def rows(self, operands: Tensor) -> Tensor:
        early = self.weights.to_tokens[0].out
        if operands.shape[1] > len(early):
            return self.made(operands)
        return self.made.first(each_head(operands, early))

    def formed(self, rows: Tensor) -> Tensor:
        return rows

    def against(self, attention: int, queries: Tensor, rows: Tensor) -> Tensor:
        return _against(queries, self.weights.to_image[attention].key_heads, rows)

    def late_against(self, keys: Tensor, rows: Tensor) -> Tensor:
        return _against(keys, self.weights.to_tokens[1].query_heads, rows)

    def squares(self, rows: Tensor) -> Tensor:
        return mean_products(rows)

    def gather(self, attention: int, gathered: Tensor, rows: Tensor, seen: Tensor) -> Tensor:
        values = self.weights.to_image[attention].value_heads
        return each_head(by_head(torch.bmm(gathered, rows)), values).add_(seen)

    def update(self, layer: int, tokens: Tensor, seen: Tensor) -> Tensor:
        block = self.transformer.blocks[layer]
        attended = self.weights.to_image[layer].out(join_heads(seen))
        return block.feed_forward(torch.as_tensor(block.norm2(tokens + attended)))

    def finish(self, tokens: Tensor, seen: Tensor) -> Tensor:
        attended = self.weights.to_image[FINAL].out(join_heads(seen))
        return torch.as_tensor(self.transformer.norm_final_attn(tokens + attended))


def _against(left: Tensor, matrices: Tensor, rows: Tensor) -> Tensor:
    """Return [P, J, k]: `left` [P, H, T, 16] under `matrices` [H, 16, 256] times `rows` [P, k, 256]."""
    return torch.bmm(each_head(left, matrices).flatten(1, 2), rows.transpose(1, 2))
