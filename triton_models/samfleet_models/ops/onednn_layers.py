"""oneDNN's layers with the activation in the same pass, for tensors that `ops.onednn.by_onednn` accepts.

They are custom operators. torch's compiler rejects its own oneDNN operators in the code that it compiles, but accepts
these. Its own float32 linear layers go through MKL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

# GELU exact, or by its tanh approximation.
Activation = Literal["none", "gelu", "gelu_tanh", "relu", "silu", "hardswish"]
ONEDNN = {
    "none": ("none", "none"),
    "gelu": ("gelu", "none"),
    "gelu_tanh": ("gelu", "tanh"),
    "relu": ("relu", "none"),
    "silu": ("swish", "none"),
    "hardswish": ("hardswish", "none"),
}


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation) -> Tensor:
    return torch.as_tensor(LINEAR(x, weight, bias, activation))


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: Activation,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """Convolve channels-last `x` with `weight`, which must be channels-last too."""
    numbers = (stride, padding, dilation, groups)
    return torch.as_tensor(CONVOLUTION(x, weight, bias, activation, *numbers))


torch.library.define("samfleet::linear", "(Tensor x, Tensor weight, Tensor? bias, str activation) -> Tensor")
torch.library.define(
    "samfleet::convolution",
    "(Tensor x, Tensor weight, Tensor? bias, str activation, int[] stride, int[] padding, int[] dilation, int groups)"
    " -> Tensor",
)
LINEAR, CONVOLUTION = torch.ops.samfleet.linear, torch.ops.samfleet.convolution


@torch.library.impl("samfleet::linear", "CPU")
def _linear(x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation) -> Tensor:
    run = torch.ops.mkldnn._linear_pointwise  # noqa: SLF001 - see the module docstring
    name, algorithm = ONEDNN[activation]
    return torch.as_tensor(run(x, weight, bias, name, [], algorithm))


@torch.library.impl("samfleet::convolution", "CPU")
def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    activation: Activation,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    run = torch.ops.mkldnn._convolution_pointwise  # noqa: SLF001 - see the module docstring
    name, algorithm = ONEDNN[activation]
    return torch.as_tensor(run(x, weight, bias, padding, stride, dilation, groups, name, [], algorithm))


@torch.library.register_fake("samfleet::linear")  # type: ignore[untyped-decorator]  # untyped in torch
def _linear_shape(x: Tensor, weight: Tensor, _bias: Tensor | None, _activation: Activation) -> Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


@torch.library.register_fake("samfleet::convolution")  # type: ignore[untyped-decorator]  # untyped in torch
def _convolution_shape(
    x: Tensor,
    weight: Tensor,
    _bias: Tensor | None,
    _activation: Activation,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    _groups: int,
) -> Tensor:
    height, width = (
        (length + 2 * pad - gap * (kernel - 1) - 1) // step + 1
        for length, kernel, pad, step, gap in zip(x.shape[2:], weight.shape[2:], padding, stride, dilation, strict=True)
    )
    shape = (len(x), len(weight), height, width)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
