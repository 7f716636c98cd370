"""Weights in the layout that the encoders' kernels read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from samfleet_kernels.encoder_structures import Depthwise, Layer
from samfleet_kernels.library import Kernels
from samfleet_models.modeling.fusion import FusedConvolution, FusedLinear
from samfleet_models.ops.kernel_threads import address

REGISTER = 16  # widest register of any instruction set, in float32
PAIR = 2  # neighbours in a product's depth that AVX512-BF16 multiplies at once


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """A linear layer, or a convolution whose taps follow each other: panels of columns, each [inner, columns].

    Panels of bfloat16 are [inner / 2, columns, 2].
    """

    weights: Tensor
    bias: Tensor
    inner: int
    outer: int

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor | None, kernels: Kernels) -> Self:
        """Pack `weight` [outer, inner]; `outer` is a multiple of 16."""
        outer, inner = weight.shape
        panels = [panel.T.flatten() for panel in torch.split(weight, kernels.panel_columns())]
        return cls(torch.cat(panels), weight.new_zeros(outer) if bias is None else bias.contiguous(), inner, outer)

    @classmethod
    def of_encoder(cls, weight: Tensor, bias: Tensor | None, kernels: Kernels, channels: int) -> Self:
        """Pack a layer of an encoder, rounded to bfloat16 if `kernels` multiply that.

        Without whole registers of input channels, as those of an image, it stays in float32 (ADR 65).
        """
        if not kernels.bfloat16 or channels % REGISTER:
            return cls.of(weight, bias, kernels)
        outer, inner = weight.shape
        pairs = weight.to(torch.bfloat16).view(outer, inner // PAIR, PAIR)
        panels = [panel.transpose(0, 1).flatten() for panel in torch.split(pairs, kernels.panel_columns())]
        return cls(torch.cat(panels), weight.new_zeros(outer) if bias is None else bias.contiguous(), inner, outer)

    @classmethod
    def of_linear(cls, layer: FusedLinear, kernels: Kernels) -> Self:
        return cls.of_encoder(layer.weight, layer.bias, kernels, layer.weight.shape[1])

    @classmethod
    def of_convolution(cls, layer: FusedConvolution, kernels: Kernels, *, exact: bool = False) -> Self:
        """Pack a convolution over all channels; the inner numbers are lines, columns, channels of its taps.

        `exact` ones stay in float32.
        """
        taps = layer.weight.permute(0, 2, 3, 1)
        if exact:
            return cls.of(taps.flatten(1), layer.bias, kernels)
        return cls.of_encoder(taps.flatten(1), layer.bias, kernels, taps.shape[3])

    @property
    def structure(self) -> Layer:
        weights = address(self.weights, self.weights.dtype)
        return Layer(weights, address(self.bias), self.inner, self.outer)


@dataclass(frozen=True, slots=True)
class PackedDepthwise:
    """A depth-wise convolution: `weights` [3, 3, C], `bias` [C]."""

    weights: Tensor
    bias: Tensor

    @classmethod
    def of(cls, layer: FusedConvolution) -> Self:
        weights = layer.weight[:, 0].permute(1, 2, 0).contiguous()
        bias = weights.new_zeros(weights.shape[-1]) if layer.bias is None else layer.bias
        return cls(weights, bias)

    @property
    def structure(self) -> Depthwise:
        return Depthwise(address(self.weights), address(self.bias))


def packable(*layers: FusedConvolution | FusedLinear) -> bool:
    """Test whether the kernels can read the layers: float32 on a CPU, whole registers of output channels."""
    weights = [layer.weight for layer in layers]
    return all(w.dtype == torch.float32 and w.device.type == "cpu" and len(w) % REGISTER == 0 for w in weights)


def is_pointwise(layer: FusedConvolution) -> bool:
    """Test for a 1x1 convolution, which is a linear layer on each pixel."""
    plain = layer.stride == [1, 1] and layer.padding == [0, 0] and layer.groups == 1
    return plain and layer.weight.shape[2:] == (1, 1)


def is_depthwise(layer: FusedConvolution) -> bool:
    """Test for a depth-wise 3x3 convolution with zero padding and a stride of 1 or 2."""
    own = layer.groups == len(layer.weight) and layer.weight.shape[1:] == (1, 3, 3)
    return own and layer.padding == [1, 1] and layer.dilation == [1, 1] and layer.stride in ([1, 1], [2, 2])
