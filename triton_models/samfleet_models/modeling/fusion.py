"""Fast forms of a loaded image encoder's layers: one step where the published module has several.

A convolution absorbs its batch normalisation, a linear layer the gain and shift of the LayerNorm before it, both in
float64; activations and residual additions happen in the same pass. Images stay [B, C, H, W] with channels last in
memory, so that `permute(0, 2, 3, 1)` is the [B, H, W, C] of attention and feed-forward layers without a copy. All
parameters become buffers, which share storage with the published module if nothing was folded. The result may be moved
and converted without affecting the original module.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.ops import onednn_layers
from samfleet_models.ops.onednn import by_onednn
from samfleet_models.ops.onednn_layers import Activation


class FusedConvolution(nn.Module):
    """Convolution with bias, then the activation, on [B, C, H, W] with channels last."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, convolution: nn.Conv2d, weight: Tensor, bias: Tensor | None, activation: Activation) -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach().contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.stride, self.padding = list(convolution.stride), list(map(int, convolution.padding))
        self.dilation, self.groups = list(convolution.dilation), convolution.groups
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        numbers = (self.stride, self.padding, self.dilation, self.groups)
        if by_onednn(x):
            return onednn_layers.convolution(x, self.weight, self.bias, self.activation, *numbers)
        out = functional.conv2d(x, self.weight, self.bias, *numbers)
        return activate_(out, self.activation)


class FusedLinear(nn.Module):
    """Linear layer on [..., in], then the activation, then `add` [..., out]."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, activation: Activation = "none") -> None:
        super().__init__()
        self.register_buffer("weight", weight.detach())
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.activation = activation

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        if by_onednn(x):
            out = onednn_layers.linear(x, self.weight, self.bias, self.activation)
        else:
            out = activate_(functional.linear(x, self.weight, self.bias), self.activation)
        return out if add is None else out.add_(add)


class ChannelNorm(nn.Module):
    """LayerNorm2d by torch's own kernel, which normalises rows of channels-last tensors."""

    weight: Tensor
    bias: Tensor

    def __init__(self, norm: LayerNorm2d) -> None:
        super().__init__()
        self.register_buffer("weight", norm.weight.detach())
        self.register_buffer("bias", norm.bias.detach())
        self.eps = norm.eps

    def forward(self, x: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1)
        return functional.layer_norm(rows, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


def activate_(x: Tensor, activation: Activation) -> Tensor:
    match activation:
        case "none":
            return x
        case "relu":
            return x.relu_()
        case "gelu":
            return torch.as_tensor(torch.ops.aten.gelu_(x))
        case "gelu_tanh":
            return torch.as_tensor(torch.ops.aten.gelu_(x, approximate="tanh"))
        case "silu":
            return functional.silu(x, inplace=True)
        case "hardswish":
            return functional.hardswish(x, inplace=True)


def fold_norm(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the single convolution that equals `convolution` and then `norm` at inference."""
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise TypeError("a batch normalisation without running statistics cannot be folded")
    scale = norm.weight.double() / torch.sqrt(variance.double() + norm.eps)
    offset = mean.double() if convolution.bias is None else mean.double() - convolution.bias.double()
    weight = convolution.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - offset * scale
    return weight.to(convolution.weight.dtype), bias.to(convolution.weight.dtype)


def fuse_pair(pair: nn.Module, activation: Activation = "none") -> FusedConvolution:
    """Fuse a module whose children are a convolution and its batch normalisation."""
    match list(pair.children()):
        case [nn.Conv2d() as convolution, nn.BatchNorm2d() as norm]:
            return FusedConvolution(convolution, *fold_norm(convolution, norm), activation)
    raise TypeError(f"expected a convolution and its batch normalisation, not {pair}")


def widened(convolution: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias in float64, zeros for a missing bias."""
    weight = convolution.weight.double()
    return weight, weight.new_zeros(len(weight)) if convolution.bias is None else convolution.bias.double()


def append_pointwise(weight: Tensor, bias: Tensor | None, second: nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the single layer that equals a first one and then the 1x1 convolution `second`.

    `weight` [out, ...] and `bias` [out] are those of the first layer; computed in float64.
    """
    outer, outer_bias = widened(second)
    matrix = outer.flatten(1)
    product = (matrix @ weight.double().flatten(1)).view(-1, *weight.shape[1:])
    shift = outer_bias if bias is None else matrix @ bias.double() + outer_bias
    return product.to(weight.dtype), shift.to(weight.dtype)


def fuse_linear(layer: nn.Linear, activation: Activation = "none") -> FusedLinear:
    return FusedLinear(layer.weight, layer.bias, activation)


def fold_after_norm(norm: nn.LayerNorm, layer: nn.Linear) -> tuple[Tensor, Tensor]:
    """Return weight and bias of `layer` that include the gain and shift of the `norm` before it.

    The folded layer takes rows that are only normalised.
    """
    weight = layer.weight.double() * norm.weight.double()
    bias = layer.weight.double() @ norm.bias.double() + layer.bias.double()
    return weight.to(layer.weight.dtype), bias.to(layer.weight.dtype)


def fuse_after_norm(norm: nn.LayerNorm, layer: nn.Linear, activation: Activation = "none") -> FusedLinear:
    return FusedLinear(*fold_after_norm(norm, layer), activation)


def normalised(x: Tensor, eps: float) -> Tensor:
    """Return `x` [..., C] with mean 0 and variance 1 over C."""
    return functional.layer_norm(x, x.shape[-1:], eps=eps)


def fuse_neck(neck: nn.Sequential) -> nn.Sequential:
    """Fuse SAM's neck: alternating convolutions without bias and LayerNorm2d."""
    parts: list[nn.Module] = []
    for part in neck:
        if isinstance(part, nn.Conv2d):
            parts.append(FusedConvolution(part, part.weight, part.bias, "none"))
        elif isinstance(part, LayerNorm2d):
            parts.append(ChannelNorm(part))
        else:
            raise TypeError(f"{part} is no part of SAM's neck")
    return nn.Sequential(*parts)
