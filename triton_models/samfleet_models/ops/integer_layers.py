"""oneDNN's layers on 8-bit integers: unsigned activations, signed weights, sums in 32 bits, float32 results.

A number x of channel c is q = round(x · inverse[c] + zero) in 0..255, and a weight w of output o is round(w / scale[o])
in -127..127. The real number 0 is exactly `zero` in every channel, so that the padding of a convolution adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from samfleet_models.ops.onednn_layers import ONEDNN, Activation

LARGEST_WEIGHT = 127  # -128 is left out, so that a weight's range is symmetric
LARGEST = 255
BLOCK = 2**17  # numbers: half a megabyte

AVAILABLE = hasattr(torch.ops.onednn, "qlinear_pointwise") and hasattr(torch.ops.onednn, "qconv_pointwise")

# The activations that oneDNN's quantised convolution computes in its pass. Its linear layer takes all.
FUSED_BY_CONVOLUTION: frozenset[Activation] = frozenset({"none", "relu", "silu", "hardswish"})


def supported() -> bool:
    """Test whether this processor multiplies 8-bit integers in one instruction (VNNI or AMX).

    Without it oneDNN adds pairs of products in 16 bits, which overflows: results would be wrong, not only slow.
    """
    return AVAILABLE and torch.cpu._is_vnni_supported()  # noqa: SLF001 - it has no public name


@dataclass(frozen=True, slots=True)
class IntegerWeights:
    """Weights [out, ...] in `values`, int8, as `scales` [out] times integers; `packed` for oneDNN."""

    values: Tensor
    scales: Tensor
    packed: Tensor


def quantise(x: Tensor, inverse: Tensor, zero: int) -> Tensor:
    """Return `x` [..., C] as integers 0..255 of uint8, contiguous; numbers beyond the range become its ends.

    The steps go over blocks that stay in the cache, because each is a pass over memory.
    """
    rows = x.reshape(-1, x.shape[-1])
    integers = torch.empty(rows.shape, dtype=torch.uint8)
    step = max(1, BLOCK // rows.shape[1])
    block = torch.empty(min(step, len(rows)), rows.shape[1])
    shift = inverse.new_full((1,), zero + 0.5)  # truncation then rounds to the nearest
    for part, out in zip(torch.split(rows, step), torch.split(integers, step), strict=True):
        numbers = torch.addcmul(shift, part, inverse, out=block[: len(part)])
        out.copy_(numbers.clamp_(0, LARGEST))
    return integers.view(x.shape)


def quantise_weights(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return int8 values and the scales [out] of `weight` [out, ...], one per output."""
    largest = weight.flatten(1).abs().amax(1)
    scales = torch.where(largest > 0, largest, 1.0) / LARGEST_WEIGHT
    shape = (-1, *[1] * (weight.dim() - 1))
    values = (weight / scales.view(shape)).round().clamp(-LARGEST_WEIGHT, LARGEST_WEIGHT)
    return values.to(torch.int8), scales


def pack_linear(weight: Tensor) -> IntegerWeights:
    values, scales = quantise_weights(weight)
    return IntegerWeights(values, scales, torch.ops.onednn.qlinear_prepack(values, None))


def pack_convolution(
    weight: Tensor, zero: int, stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> IntegerWeights:
    values, scales = quantise_weights(weight)
    packed = torch.ops.onednn.qconv_prepack(values, scales, 1.0, zero, stride, padding, dilation, 1, None)
    return IntegerWeights(values, scales, packed)


def linear(x: Tensor, zero: int, weights: IntegerWeights, bias: Tensor | None, activation: Activation) -> Tensor:
    """Return float32 [n, out] of `x` [n, in] uint8."""
    name, algorithm = ONEDNN[activation]
    zeros = torch.zeros(len(weights.scales), dtype=torch.int32)
    run = torch.ops.onednn.qlinear_pointwise
    return torch.as_tensor(
        run(x, 1.0, zero, weights.packed, weights.scales, zeros, bias, 1.0, 0, torch.float32, name, [], algorithm)
    )


def convolution(
    x: Tensor,
    zero: int,
    weights: IntegerWeights,
    bias: Tensor | None,
    activation: Activation,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Return float32 [B, out, H, W] of `x` [B, in, H, W] uint8, channels last; for `FUSED_BY_CONVOLUTION`."""
    name, algorithm = ONEDNN[activation]
    zeros = torch.zeros(len(weights.scales), dtype=torch.int32)
    run = torch.ops.onednn.qconv_pointwise
    numbers = (stride, padding, dilation, 1)
    return torch.as_tensor(
        run(
            *(x, 1.0, zero, weights.packed, weights.scales, zeros, bias, *numbers),
            *(1.0, 0, torch.float32, name, [], algorithm),
        )
    )
