"""Number types of the decoder, and the conversion of published parameters into folded ones."""

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
    """Subtract the mean along `dim`, as a LayerNorm over it does."""
    return x - x.mean(dim, keepdim=True)


@dataclass(frozen=True, slots=True)
class Types:
    """Types of the image-sized tensors of a prompt: `scoring` in the transformer, `drawing` in the up-scaling.

    Products accumulate in float32; softmax and LayerNorm compute in float32. Tensors with a row per token, the
    variances of the image's LayerNorms and their scales are always float32.
    """

    scoring: torch.dtype = torch.float32
    drawing: torch.dtype = torch.float32

    @classmethod
    def of(cls, precision: torch.dtype, device: torch.device) -> Types:
        """Choose the types for a precision and a device.

        On a CPU scoring stays float32: it is bound by memory, not by products. It gained nothing from bf16 (measured)
        and lost masks.
        """
        return cls(torch.float32 if device.type == "cpu" else precision, precision)
