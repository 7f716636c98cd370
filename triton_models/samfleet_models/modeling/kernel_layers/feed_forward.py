"""Feed-forward blocks by the kernel `csrc/feed_forward.cpp`, with the depth-wise convolution before them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from samfleet_kernels.encoder_structures import Depthwise, FeedForward
from samfleet_kernels.library import Kernels
from samfleet_models.modeling.fusion import FusedConvolution
from samfleet_models.modeling.image_encoders.repvit_fused import FusedResidual
from samfleet_models.modeling.kernel_layers.packed import (
    PackedDepthwise,
    PackedLayer,
    is_depthwise,
    is_pointwise,
    packable,
)
from samfleet_models.ops.kernel_threads import address, run


@dataclass(frozen=True, slots=True)
class KernelFeedForward:
    """y + narrow(GELU(widen(y))) of rows [B, H, W, C], where y is the mixed x, or x itself.

    With `eps` the widened rows are normalised first, by a LayerNorm whose gain and shift are in `widen`.
    """

    kernels: Kernels
    mix: PackedDepthwise | None
    eps: float | None
    widen: PackedLayer
    narrow: PackedLayer

    def __call__(self, x: Tensor) -> Tensor:
        out = torch.empty_like(x)
        arrays = FeedForward(
            images=len(x),
            height=x.shape[1],
            width=x.shape[2],
            mixed=self.mix is not None,
            normed=self.eps is not None,
            epsilon=self.eps or 0.0,
            mix=Depthwise() if self.mix is None else self.mix.structure,
            widen=self.widen.structure,
            narrow=self.narrow.structure,
            x=address(x),
            out=address(out),
        )
        run(self.kernels, arrays)
        return out


class KernelChannelMixer(nn.Module):
    """RepViT's residual pair of 1x1 convolutions, and the depth-wise convolution before it, if any.

    Maps [B, C, H, W] with channels last to the same shape.
    """

    def __init__(self, mix: FusedConvolution | None, mixer: FusedResidual, kernels: Kernels) -> None:
        super().__init__()
        layers = cast("list[FusedConvolution]", list(mixer.steps))
        widen, narrow = (PackedLayer.of_convolution(layer, kernels) for layer in layers)
        mixing = None if mix is None else PackedDepthwise.of(mix)
        self.block = KernelFeedForward(kernels, mixing, None, widen, narrow)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def mixer_at(parts: list[nn.Module], kernels: Kernels) -> tuple[KernelChannelMixer, int] | None:
    """Return the channel mixer with which `parts` begin, and how many of them it replaces; None if there is none."""
    match parts:
        case [FusedConvolution() as mix, FusedResidual() as mixer, *_] if _mixes(mix) and _fits(mixer):
            return KernelChannelMixer(mix, mixer, kernels), 2
        case [FusedResidual() as mixer, *_] if _fits(mixer):
            return KernelChannelMixer(None, mixer, kernels), 1
    return None


def _fits(mixer: FusedResidual) -> bool:
    match list(mixer.steps):
        case [FusedConvolution() as widen, FusedConvolution() as narrow]:
            shapes = is_pointwise(widen) and is_pointwise(narrow) and packable(widen, narrow)
            return shapes and (widen.activation, narrow.activation) == ("gelu", "none")
    return False


def _mixes(layer: FusedConvolution) -> bool:
    return is_depthwise(layer) and packable(layer) and layer.stride == [1, 1] and layer.activation == "none"
