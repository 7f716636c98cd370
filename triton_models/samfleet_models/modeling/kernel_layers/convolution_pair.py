"""Two successive convolutions by the kernel `csrc/convolution_pair.cpp`: a stem before the stages, or SAM's neck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from samfleet_kernels.encoder_structures import Convolution, ConvolutionPair
from samfleet_kernels.library import Kernels
from samfleet_models.modeling.fusion import ChannelNorm, FusedConvolution
from samfleet_models.modeling.kernel_layers.packed import REGISTER, PackedLayer, is_pointwise, packable
from samfleet_models.ops.kernel_threads import address, bands, run

SQUARE = 3  # side of the kernels that are not single pixels


@dataclass(frozen=True, slots=True)
class NormedConvolution:
    """A convolution over all channels, 1x1 or 3x3, and the LayerNorm behind it, if any."""

    layer: FusedConvolution
    norm: ChannelNorm | None

    @classmethod
    def of(cls, layer: nn.Module, norm: nn.Module | None) -> Self | None:
        """Return the pair; None if the kernel does not compute it. Other modules than a LayerNorm are no norm."""
        if not isinstance(layer, FusedConvolution) or not packable(layer) or not _dense(layer):
            return None
        return cls(layer, norm if isinstance(norm, ChannelNorm) else None)

    def __len__(self) -> int:
        return 1 if self.norm is None else 2

    @property
    def side(self) -> int:
        return int(self.layer.weight.shape[-1])

    @property
    def stride(self) -> int:
        return int(self.layer.stride[0])

    def structure(self, packed: PackedLayer) -> Convolution:
        norm = self.norm
        return Convolution(
            layer=packed.structure,
            side=self.side,
            stride=self.stride,
            gelu=self.layer.activation == "gelu",
            epsilon=0.0 if norm is None else norm.eps,
            gain=None if norm is None else address(norm.weight),
            shift=None if norm is None else address(norm.bias),
        )


class KernelConvolutionPair(nn.Module):
    """Maps [B, C, H, W], planar or channels last, to [B, C', H', W'] with channels last."""

    def __init__(self, first: NormedConvolution, second: NormedConvolution, kernels: Kernels) -> None:
        super().__init__()
        self.kernels, self.first, self.second = kernels, first, second
        self.weights = [PackedLayer.of_convolution(each.layer, kernels) for each in (first, second)]

    def forward(self, x: Tensor) -> Tensor:
        images, channels, height, width = x.shape
        planar = self.first.side == SQUARE and channels % REGISTER != 0 and x.is_contiguous()
        if not planar:
            x = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
        stride = self.first.stride * self.second.stride
        out = torch.empty(images, -(-height // stride), -(-width // stride), self.weights[1].outer)
        arrays = ConvolutionPair(
            images=images,
            height=height,
            width=width,
            planar=planar,
            bands=bands(images, out.shape[1]),
            first=self.first.structure(self.weights[0]),
            second=self.second.structure(self.weights[1]),
            x=address(x),
            out=address(out),
        )
        run(self.kernels, arrays)
        return out.permute(0, 3, 1, 2)


def pair_at(parts: list[nn.Module]) -> tuple[NormedConvolution, NormedConvolution] | None:
    """Return the two convolutions with which `parts` begin; None if the kernel does not compute them."""
    first = NormedConvolution.of(*_two(parts))
    if first is None:
        return None
    second = NormedConvolution.of(*_two(parts[len(first) :]))
    return None if second is None or second.side != SQUARE else (first, second)


def _two(parts: list[nn.Module]) -> tuple[nn.Module, nn.Module | None]:
    return (parts[0] if parts else nn.Identity()), (parts[1] if len(parts) > 1 else None)


def _dense(layer: FusedConvolution) -> bool:
    plain = layer.groups == 1 and layer.dilation == [1, 1] and layer.activation in {"none", "gelu"}
    square = layer.weight.shape[2:] == (SQUARE, SQUARE) and layer.padding == [1, 1] and layer.stride in ([1, 1], [2, 2])
    return plain and (square or is_pointwise(layer))
