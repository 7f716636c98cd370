"""TinyViT's blocks by the kernels `csrc/window_attention.cpp` and `csrc/feed_forward.cpp`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_kernels import encoder_structures as structures
from samfleet_kernels.encoder_structures import WindowAttention
from samfleet_kernels.library import Kernels
from samfleet_models.modeling.image_encoders.tiny_vit_fused import FusedBlock
from samfleet_models.modeling.image_encoders.tiny_vit_windows import FusedAttention, Region
from samfleet_models.modeling.kernel_layers.feed_forward import KernelFeedForward
from samfleet_models.modeling.kernel_layers.packed import (
    REGISTER,
    PackedDepthwise,
    PackedLayer,
    is_depthwise,
    packable,
)
from samfleet_models.ops.kernel_threads import address, run


class KernelWindowAttention(nn.Module):
    """LayerNorm, attention in windows and residual addition on [B, grid, grid, C], like `FusedAttention`."""

    def __init__(self, attention: FusedAttention, kernels: Kernels) -> None:
        super().__init__()
        self.kernels, self.eps = kernels, attention.eps
        parts = cast("list[Region]", list(attention.regions))
        self.heads = parts[0].bias.shape[1]
        self.qkv = PackedLayer.of_encoder(
            *_scaled_queries(attention, self.heads), kernels, attention.qkv.weight.shape[1]
        )
        self.proj = PackedLayer.of_linear(attention.proj, kernels)
        self.padding = self.qkv.bias  # normalised zeros are zeros
        self.places = [part.tokens.contiguous() for part in parts]
        self.biases = [_padded(part.bias[0]) for part in parts]
        self.keys = [part.bias.shape[-1] for part in parts]

    def forward(self, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        arrays = WindowAttention(
            images=len(x),
            pixels=x.shape[1] * x.shape[2],
            heads=self.heads,
            regions=len(self.places),
            epsilon=self.eps,
            inputs=self.qkv.structure,
            padding=address(self.padding),
            outputs=self.proj.structure,
            region=tuple(self._regions()),
            x=address(x),
            out=address(out),
        )
        run(self.kernels, arrays)
        return out

    def _regions(self) -> Iterator[structures.Region]:
        for places, bias, keys in zip(self.places, self.biases, self.keys, strict=True):
            yield structures.Region(*places.shape, keys, places.data_ptr(), address(bias))


class KernelBlock(nn.Module):
    """A `FusedBlock` on [B, C, H, W] with channels last."""

    def __init__(self, block: FusedBlock, kernels: Kernels) -> None:
        super().__init__()
        self.attend = KernelWindowAttention(block.attend, kernels)
        widen, narrow = (PackedLayer.of_linear(layer, kernels) for layer in (block.widen, block.narrow))
        self.mix = KernelFeedForward(kernels, PackedDepthwise.of(block.local_conv), block.eps, widen, narrow)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.attend(x.permute(0, 2, 3, 1))  # [B, H, W, C]
        return self.mix(rows).permute(0, 3, 1, 2)


def fits(block: FusedBlock) -> bool:
    """Test whether the kernels compute this block: a head has whole registers of channels."""
    attention = block.attend
    heads = cast("Region", attention.regions[0]).bias.shape[1]
    layers = (attention.qkv, attention.proj, block.local_conv, block.widen, block.narrow)
    shapes = len(attention.proj.weight) % (heads * REGISTER) == 0 and is_depthwise(block.local_conv)
    return shapes and block.widen.activation == "gelu" and packable(*layers)


def _scaled_queries(attention: FusedAttention, heads: int) -> tuple[Tensor, Tensor]:
    """Return weight and bias of q, k, v with queries times 1/√d, by which attention scales its logits."""
    weight, bias = attention.qkv.weight, cast("Tensor", attention.qkv.bias)
    depth = len(weight) // (3 * heads)
    factor = torch.ones(heads, 3, depth)
    factor[:, 0] = depth**-0.5
    return weight * factor.view(-1, 1), bias * factor.flatten()


def _padded(bias: Tensor) -> Tensor:
    """Return `bias` [heads, T, keys] with keys up to a multiple of 16; those behind the last have no weight."""
    return functional.pad(bias, (0, -bias.shape[-1] % REGISTER), value=float("-inf")).contiguous()
