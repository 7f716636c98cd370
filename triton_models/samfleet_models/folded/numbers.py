"""Parameters on their way from the published network into folded ones, which are multiplied out in float64."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from samfleet_models.onednn import linear


@dataclass(frozen=True, slots=True)
class Affine:
    """x ↦ x · weightᵀ + bias, `weight` [out, in]."""

    weight: Tensor
    bias: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias)


def wide(parameter: Tensor) -> Tensor:
    return parameter.detach().double()


def narrow(x: Tensor) -> Tensor:
    return x.float().contiguous()


def centred(x: Tensor, dim: int) -> Tensor:
    """Without its mean along `dim`: what a LayerNorm over it would take away."""
    return x - x.mean(dim, keepdim=True)
