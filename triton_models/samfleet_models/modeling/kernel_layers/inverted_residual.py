"""Inverted residual blocks by the kernel `csrc/inverted_residual.cpp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn

from samfleet_kernels.encoder_structures import InvertedResidual
from samfleet_kernels.library import Kernels
from samfleet_models.modeling.fusion import FusedConvolution
from samfleet_models.modeling.kernel_layers.packed import (
    REGISTER,
    PackedDepthwise,
    PackedLayer,
    is_depthwise,
    is_pointwise,
    packable,
)
from samfleet_models.ops.kernel_threads import address, bands, run

Layers = tuple[FusedConvolution, FusedConvolution, FusedConvolution]


class KernelInvertedResidual(nn.Module):
    """1x1 convolution and GELU, depth-wise 3x3 and GELU, 1x1 convolution; with `residual` + input, then GELU.

    Maps [B, C, H, W] with channels last to [B, C', ceil(H / stride), ceil(W / stride)] with channels last.
    """

    def __init__(self, layers: Layers, kernels: Kernels, *, residual: bool) -> None:
        super().__init__()
        widen, mix, narrow = layers
        self.kernels, self.stride, self.residual = kernels, mix.stride[0], residual
        # Without a residual addition rounded operands are all that is left of the input, so they stay float32 (ADR 65).
        self.widen, self.narrow = (
            PackedLayer.of_convolution(layer, kernels, exact=not residual) for layer in (widen, narrow)
        )
        self.mix = PackedDepthwise.of(mix)

    def forward(self, x: Tensor) -> Tensor:
        images, _, height, width = x.shape
        sizes = (-(-height // self.stride), -(-width // self.stride))
        out = torch.empty(images, *sizes, self.narrow.outer)
        arrays = InvertedResidual(
            images=images,
            height=height,
            width=width,
            stride=self.stride,
            residual=self.residual,
            bands=bands(images, sizes[0]),
            widen=self.widen.structure,
            mix=self.mix.structure,
            narrow=self.narrow.structure,
            x=address(x.permute(0, 2, 3, 1)),
            out=address(out),
        )
        run(self.kernels, arrays)
        return out.permute(0, 3, 1, 2)


def fits(layers: Sequence[nn.Module]) -> TypeGuard[Layers]:
    """Test whether successive modules are what the kernel computes, apart from the residual."""
    match layers:
        case [FusedConvolution() as widen, FusedConvolution() as mix, FusedConvolution() as narrow]:
            shapes = is_pointwise(widen) and is_depthwise(mix) and is_pointwise(narrow)
            activations = [layer.activation for layer in (widen, mix, narrow)] == ["gelu", "gelu", "none"]
            return shapes and activations and packable(widen, mix, narrow) and widen.weight.shape[1] % REGISTER == 0
    return False
