"""The image tokens of many prompts as products of a shared part and small ones."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from samfleet_models.folded.products import by_head
from samfleet_models.folded.workspace import Workspace
from samfleet_models.transformer import DIM


@dataclass(frozen=True, slots=True)
class Factors:
    """The image tokens of P prompts after the transformer: gain · r₁ · (r₀ K₁ + B W) + shift.

    `image` is Bᵀ [P, 2 J + 1, N], `tokens` W [P, 2 J + 1, 256], `first` r₀ and `second` r₁ [P, 1, N], in the terms of
    `samfleet_models.folded.scoring`. They lie in a workspace and are void after the next pass.
    """

    image: Tensor
    tokens: Tensor
    first: Tensor
    second: Tensor

    @classmethod
    def taken(cls, workspace: Workspace, prompts: int, pairs: int, pixels: int) -> Factors:
        """Uninitialised, for `pairs` (J) of heads and tokens."""
        return cls(
            image=workspace.take("image", prompts, 2 * pairs + 1, pixels),
            tokens=workspace.take("tokens", prompts, 2 * pairs + 1, DIM),
            first=workspace.take("first", prompts, 1, pixels),
            second=workspace.take("second", prompts, 1, pixels),
        )

    def group(self, rows: slice | list[int]) -> Factors:
        """Of some prompts; a slice makes no copy."""
        return Factors(self.image[rows], self.tokens[rows], self.first[rows], self.second[rows])

    @property
    def early(self) -> Tensor:
        """(r₀ A₀)ᵀ [P, H, T, N]."""
        return by_head(self.image[:, : self.image.shape[1] // 2])

    @property
    def late(self) -> Tensor:
        """A₁ᵀ [P, H, T, N]."""
        return by_head(self.image[:, self.image.shape[1] // 2 : -1])
