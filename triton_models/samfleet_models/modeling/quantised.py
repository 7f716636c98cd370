"""The integer forms of a fused encoder's layers, and the numbers that a layer's quantisation needs.

Products are of 8-bit integers (`ops.integer_layers`); between the layers everything stays float32: LayerNorm, softmax,
residual additions. Each input channel has its own scale, divided out of the weights: channels of a small range keep
their precision beside those of a large one, and the weights of both stay in one range (SmoothQuant, arXiv 2211.10438).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from samfleet_models.modeling.fusion import FusedConvolution, FusedLinear, activate_
from samfleet_models.ops import integer_layers
from samfleet_models.ops.onednn_layers import Activation

Layer = FusedConvolution | FusedLinear


@dataclass(frozen=True, slots=True)
class Scaling:
    """Input of a layer as integers: x of channel c is (q - `zero`) · `scales[c]`, with q in 0..255."""

    scales: Sequence[float]
    zero: int


class QuantisedLinear(nn.Module):
    """A FusedLinear on integers: float32 [..., in] to float32 [..., out]."""

    inverse: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation, scaling: Scaling) -> None:
        super().__init__()
        scales = torch.tensor(scaling.scales, dtype=torch.float64)
        self.zero, self.activation = scaling.zero, activation
        self.register_buffer("inverse", (1 / scales).float())
        self.register_buffer("bias", bias)
        self.weights = integer_layers.pack_linear((weight.double() * scales).float())

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        rows = integer_layers.quantise(x, self.inverse, self.zero).flatten(0, -2)
        out = integer_layers.linear(rows, self.zero, self.weights, self.bias, self.activation)
        out = out.view(*x.shape[:-1], -1)
        return out if add is None else out.add_(add)


class QuantisedPointwise(QuantisedLinear):
    """A FusedConvolution of single pixels on integers: [B, C, H, W] with channels last, as a linear layer."""

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        if add is not None:
            raise TypeError("a convolution adds nothing")
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class QuantisedConvolution(nn.Module):
    """A FusedConvolution without groups on integers: [B, C, H, W] with channels last."""

    inverse: Tensor
    bias: Tensor | None

    def __init__(self, layer: FusedConvolution, scaling: Scaling) -> None:
        super().__init__()
        scales = torch.tensor(scaling.scales, dtype=torch.float64)
        self.zero, self.activation = scaling.zero, layer.activation
        self.numbers = (layer.stride, layer.padding, layer.dilation)
        self.register_buffer("inverse", (1 / scales).float())
        self.register_buffer("bias", layer.bias)
        weight = (layer.weight.double() * scales[:, None, None]).float()
        self.weights = integer_layers.pack_convolution(weight, self.zero, *self.numbers)
        self.fused = layer.activation in integer_layers.FUSED_BY_CONVOLUTION

    def forward(self, x: Tensor) -> Tensor:
        pixels = integer_layers.quantise(x.permute(0, 2, 3, 1), self.inverse, self.zero).permute(0, 3, 1, 2)
        activation = self.activation if self.fused else "none"
        out = integer_layers.convolution(pixels, self.zero, self.weights, self.bias, activation, *self.numbers)
        return out if self.fused else activate_(out, self.activation)


def quantisable(encoder: nn.Module) -> Iterator[tuple[str, Layer]]:
    """Yield the layers of a fused encoder that have an integer form, by their names.

    Convolutions of groups do too little with each number to gain from it.
    """
    for name, layer in encoder.named_modules():
        if isinstance(layer, FusedLinear) or (isinstance(layer, FusedConvolution) and layer.groups == 1):
            yield name, layer


def quantised(layer: Layer, scaling: Scaling) -> nn.Module:
    """Return the integer form of a layer."""
    if isinstance(layer, FusedLinear):
        return QuantisedLinear(layer.weight, layer.bias, layer.activation, scaling)
    if _pointwise(layer):
        return QuantisedPointwise(layer.weight.flatten(1), layer.bias, layer.activation, scaling)
    return QuantisedConvolution(layer, scaling)


def quantise_layers(encoder: nn.Module, scalings: Mapping[str, Scaling]) -> None:
    """Replace the named layers of a fused encoder by their integer forms. Raises `KeyError` for an unknown name."""
    layers = dict(quantisable(encoder))
    for name, scaling in scalings.items():
        encoder.set_submodule(name, quantised(layers[name], scaling))


def _pointwise(layer: FusedConvolution) -> bool:
    return layer.weight.shape[2:] == (1, 1) and layer.stride == [1, 1] and layer.padding == [0, 0]
