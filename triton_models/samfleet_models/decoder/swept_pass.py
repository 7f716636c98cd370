"""The steps on tokens between three sweeps over the image tokens; subclasses run the sweeps with their kernels.

It computes what `samfleet_models.decoder.two_way_pass` does, which states the algebra and the names. A sweep goes
through all steps up to the next softmax over the image, which runs online. Of the image-sized tensors only the final
factors are written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights, ToImage
from samfleet_models.decoder.image_context import ImageContext, image_groups
from samfleet_models.decoder.matmul import by_head, each_head, join_heads, split_heads
from samfleet_models.decoder.token_rows import TokenRows
from samfleet_models.decoder.two_way_pass import FINAL, SECOND, TWICE_A_MEAN, mean_products
from samfleet_models.modeling.transformer import TwoWayTransformer


@dataclass(frozen=True, slots=True)
class SweepOperands:
    """Operands of P prompts; those by head are [P, H, T, 16].

    k₁ and k are the numbers of rows of the first layer and of both (`samfleet_models.decoder.token_rows`).
    """

    def rows(self, rows: slice) -> Self:
        """Return the operands of some prompts, without a copy."""
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def narrowed(self, dtype: torch.dtype) -> list[Tensor]:
        """Return all operands in order, in the type of image-sized ones."""
        return [getattr(self, field.name).to(dtype) for field in fields(self)]


@dataclass(frozen=True, slots=True)
class SecondOperands(SweepOperands):
    """`products` are G / 256 [P, k₁, k₁], `against` the queries against the updates [P, J, k₁]."""

    early_keys: Tensor
    early_values: Tensor  # times `TWICE_A_MEAN`
    products: Tensor
    queries: Tensor
    against: Tensor


@dataclass(frozen=True, slots=True)
class ThirdOperands(SweepOperands):
    """`products` are W Wᵀ / 256 [P, k, k], `against` the queries against W [P, J, k].

    `late_against` [P, J, k₁] are the late keys against the early updates.
    """

    early_keys: Tensor
    late_keys: Tensor
    early_values: Tensor  # times `TWICE_A_MEAN`
    late_values: Tensor  # times `TWICE_A_MEAN`
    late_against: Tensor
    products: Tensor
    queries: Tensor
    against: Tensor


class SweptPass(ABC):
    """One pass of P prompts through the transformer; `contexts` has the image of each prompt."""

    def __init__(
        self,
        transformer: TwoWayTransformer,
        weights: FoldedWeights,
        contexts: Sequence[ImageContext],
        rows: TokenRows,
    ) -> None:
        self._transformer = transformer
        self._weights = weights
        self._rows = rows
        self._groups = list(image_groups(contexts, len(contexts)))
        self._pixels = contexts[0].size

    def run(self, prompt: Tensor, factors: Factors) -> Tensor:
        """Return the final tokens [P, T, 256]; the image tokens are written into `factors`."""
        weights = self._weights
        first, second = self._transformer.blocks
        tokens = first.attend_to_each_other(prompt, prompt)
        tokens = first.norm2(tokens + self._attend_image(tokens + prompt))
        tokens = first.feed_forward(tokens)
        early_keys = split_heads(weights.to_tokens[0].key(tokens + prompt))
        early_values = self._rows.operands(split_heads(weights.to_tokens[0].value(tokens)))
        updates = self._rows.first(each_head(early_values, weights.to_tokens[0].out))  # V₀ [P, k₁, 256]
        tokens = second.attend_to_each_other(tokens, prompt)
        doubled = early_values * TWICE_A_MEAN
        tokens = second.norm2(tokens + self._update_first(tokens + prompt, early_keys, doubled, updates, factors))
        tokens = second.feed_forward(tokens)
        late_keys = split_heads(weights.to_tokens[1].key(tokens + prompt))
        late_values = self._rows.operands(split_heads(weights.to_tokens[1].value(tokens)))
        both = torch.cat([early_values, late_values], 1)
        rows = self._rows(both)  # W [P, k, 256]
        factors.tokens.copy_(both if factors.by_tile else rows)
        values = (doubled, late_values * TWICE_A_MEAN)
        final = self._update_second(tokens + prompt, (early_keys, late_keys), values, (updates, rows), factors)
        return torch.as_tensor(self._transformer.norm_final_attn(tokens + final))

    def _attend_image(self, query_tokens: Tensor) -> Tensor:
        """First token-to-image attention."""
        place = self._weights.to_image[0]
        queries = split_heads(place.query(query_tokens))
        seen = torch.empty_like(queries)
        for rows, context in self._groups:
            self._first(context, queries[rows], seen[rows])
        return place.out(join_heads(seen))

    def _update_first(
        self, query_tokens: Tensor, early_keys: Tensor, doubled: Tensor, updates: Tensor, factors: Factors
    ) -> Tensor:
        """First image-to-token attention and second token-to-image attention."""
        place = self._weights.to_image[SECOND]
        queries = split_heads(place.query(query_tokens))
        against = _against(queries, place, updates)
        products = mean_products(updates)  # G / 256 [P, k₁, k₁]
        gathered, seen = torch.empty_like(against), torch.empty_like(queries)
        operands = SecondOperands(early_keys, doubled, products, queries, against)
        for rows, context in self._groups:
            self._second(context, operands.rows(rows), factors.group(rows), gathered[rows], seen[rows])
        return _attended(gathered, updates, seen, place)

    def _update_second(
        self,
        query_tokens: Tensor,
        keys: tuple[Tensor, Tensor],
        values: tuple[Tensor, Tensor],
        added: tuple[Tensor, Tensor],
        factors: Factors,
    ) -> Tensor:
        """Second image-to-token attention, which completes `factors`, and final token-to-image attention.

        `added` are V₀ [P, k₁, 256] and W [P, k, 256].
        """
        updates, added_rows = added
        place = self._weights.to_image[FINAL]
        queries = split_heads(place.query(query_tokens))
        against = _against(queries, place, added_rows)
        late_against = torch.bmm(
            each_head(keys[1], self._weights.to_tokens[1].query_heads).flatten(1, 2), updates.transpose(1, 2)
        )
        products = mean_products(added_rows)  # W Wᵀ / 256
        gathered, seen = torch.empty_like(against), torch.empty_like(queries)
        operands = ThirdOperands(*keys, *values, late_against, products, queries, against)
        for rows, context in self._groups:
            self._third(context, operands.rows(rows), factors.group(rows), gathered[rows], seen[rows])
        return _attended(gathered, added_rows, seen, place)

    @abstractmethod
    def _first(self, context: ImageContext, queries: Tensor, seen: Tensor) -> None:
        """Write the attended values `seen` [P, H, T, 16] of `queries` of that shape."""

    @abstractmethod
    def _second(
        self, context: ImageContext, operands: SecondOperands, factors: Factors, gathered: Tensor, seen: Tensor
    ) -> None:
        """Write r₀ where `_third` reads it, and of the attention `gathered` [P, J, k₁] and `seen` [P, H, T, 16]."""

    @abstractmethod
    def _third(
        self, context: ImageContext, operands: ThirdOperands, factors: Factors, gathered: Tensor, seen: Tensor
    ) -> None:
        """Complete `factors`; write `gathered` [P, J, k] and `seen` [P, H, T, 16] of the attention."""


def _against(queries: Tensor, place: ToImage, rows: Tensor) -> Tensor:
    """Return [P, J, n]: `queries` against the keys of `rows` [P, n, 256]."""
    return torch.bmm(each_head(queries, place.key_heads).flatten(1, 2), rows.transpose(1, 2))


def _attended(gathered: Tensor, rows: Tensor, seen: Tensor, place: ToImage) -> Tensor:
    """Return [P, T, 256]: the result of an attention from its weighted factors and weighted image values."""
    return place.out(join_heads(each_head(by_head(torch.bmm(gathered, rows)), place.value_heads).add_(seen)))
