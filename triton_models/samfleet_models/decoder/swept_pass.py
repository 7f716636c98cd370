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
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.image_context import ImageContext, image_groups
from samfleet_models.decoder.token_steps import TokenSteps
from samfleet_models.decoder.two_way_pass import FINAL, SECOND, TWICE_A_MEAN


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

    def __init__(self, steps: TokenSteps, weights: FoldedWeights, contexts: Sequence[ImageContext]) -> None:
        self._steps = steps
        self._weights = weights
        self._groups = list(image_groups(contexts, len(contexts)))
        self._pixels = contexts[0].size

    def run(self, prompt: Tensor, factors: Factors) -> Tensor:
        """Return the final tokens [P, T, 256]; the image tokens are written into `factors`."""
        steps = self._steps
        tokens = steps.attend_to_each_other(0, prompt, prompt)
        tokens = steps.update(0, tokens, self._attend_image(tokens, prompt))
        early_keys, early_values = steps.keys_and_operands(0, tokens, prompt)
        updates, doubled = steps.rows(early_values), early_values * TWICE_A_MEAN  # V₀
        tokens = steps.attend_to_each_other(1, tokens, prompt)
        queries = steps.queries(SECOND, tokens, prompt)
        tokens = steps.update(1, tokens, self._update_first(queries, early_keys, doubled, updates, factors))
        late_keys, late_values = steps.keys_and_operands(1, tokens, prompt)
        both = torch.cat([early_values, late_values], 1)
        rows = steps.rows(both)  # W
        factors.tokens.copy_(both if factors.by_tile else steps.formed(rows))
        values = (doubled, late_values * TWICE_A_MEAN)
        queries = steps.queries(FINAL, tokens, prompt)
        seen = self._update_second(queries, (early_keys, late_keys), values, (updates, rows), factors)
        return steps.finish(tokens, seen)

    def _attend_image(self, tokens: Tensor, prompt: Tensor) -> Tensor:
        """First token-to-image attention; return what it has seen, [P, H, T, 16]."""
        queries = self._steps.queries(0, tokens, prompt)
        seen = torch.empty_like(queries)
        for rows, context in self._groups:
            self._first(context, queries[rows], seen[rows])
        return seen

    def _update_first(
        self, queries: Tensor, early_keys: Tensor, doubled: Tensor, updates: Tensor, factors: Factors
    ) -> Tensor:
        """First image-to-token attention and second token-to-image attention; return what the latter has seen."""
        against, products = self._steps.against(SECOND, queries, updates), self._steps.squares(updates)
        gathered, seen = torch.empty_like(against), torch.empty_like(queries)
        operands = SecondOperands(early_keys, doubled, products, queries, against)
        for rows, context in self._groups:
            self._second(context, operands.rows(rows), factors.group(rows), gathered[rows], seen[rows])
        return self._steps.gather(SECOND, gathered, updates, seen)

    def _update_second(
        self,
        queries: Tensor,
        keys: tuple[Tensor, Tensor],
        values: tuple[Tensor, Tensor],
        added: tuple[Tensor, Tensor],
        factors: Factors,
    ) -> Tensor:
        """Second image-to-token attention, which completes `factors`, and final token-to-image attention.

        `added` are V₀ and W. Return what the final attention has seen.
        """
        updates, rows_of_both = added
        against, products = self._steps.against(FINAL, queries, rows_of_both), self._steps.squares(rows_of_both)
        late_against = self._steps.late_against(keys[1], updates)
        gathered, seen = torch.empty_like(against), torch.empty_like(queries)
        operands = ThirdOperands(*keys, *values, late_against, products, queries, against)
        for rows, context in self._groups:
            self._third(context, operands.rows(rows), factors.group(rows), gathered[rows], seen[rows])
        return self._steps.gather(FINAL, gathered, rows_of_both, seen)

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
