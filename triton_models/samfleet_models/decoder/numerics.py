"""Number types of the decoder, and parameters on their way from the published network into folded ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from samfleet_models.ops.onednn import linear


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


@dataclass(frozen=True, slots=True)
class Types:
    """Of what is image-sized and belongs to a prompt: `scoring` in the transformer, `drawing` in the up-scaling.

    Products accumulate in float32; softmax and LayerNorm compute in it. What has a row per token, the variances behind
    the image's LayerNorms and their scales are float32 throughout.
    """

    scoring: torch.dtype = torch.float32
    drawing: torch.dtype = torch.float32

    @classmethod
    def of(cls, precision: torch.dtype, device: torch.device) -> Types:
        """On a CPU scoring stays float32: it waits for memory and not for products, gained nothing from bf16 (measured)
        and lost masks by it.
        """
        return cls(torch.float32 if device.type == "cpu" else precision, precision)
