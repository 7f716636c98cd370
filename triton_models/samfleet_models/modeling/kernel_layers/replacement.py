"""Replaces blocks of a fused image encoder by those that the compiled kernels compute."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from samfleet.variants.execution import Products
from samfleet_kernels.library import Kernels, chosen, chosen_for_bfloat16
from samfleet_models.modeling.image_encoders.tiny_vit_fused import FusedBlock, FusedMBConv
from samfleet_models.modeling.kernel_layers import inverted_residual, transformer_block
from samfleet_models.modeling.kernel_layers.convolution_pair import KernelConvolutionPair, pair_at
from samfleet_models.modeling.kernel_layers.feed_forward import KernelChannelMixer, mixer_at
from samfleet_models.modeling.kernel_layers.inverted_residual import KernelInvertedResidual
from samfleet_models.modeling.kernel_layers.transformer_block import KernelBlock

OWN = (KernelBlock, KernelChannelMixer, KernelConvolutionPair, KernelInvertedResidual)


def use_kernels(encoder: nn.Module, dtype: torch.dtype, products: Products = "ieee") -> nn.Module:
    """Return a fused encoder that computes in `dtype`, with what this process's kernels can compute replaced.

    They compute float32 on a CPU, with `products` of bf16 if asked. Other modules stay, and `encoder` changes.
    """
    kernels = chosen_for_bfloat16() if products == "bf16" else chosen()
    if kernels is None or dtype != torch.float32:
        return encoder
    for name, module in reversed(list(encoder.named_modules())):  # inner ones first: places in a sequence change
        replaced = _replaced(module, kernels)
        if replaced is None:
            continue
        if not name:
            return replaced
        encoder.set_submodule(name, replaced)
    return encoder


def has_kernels(encoder: nn.Module) -> bool:
    """Test whether `use_kernels` replaced any block."""
    return any(isinstance(part, OWN) for part in encoder.modules())


def _replaced(module: nn.Module, kernels: Kernels) -> nn.Module | None:
    match module:
        case FusedMBConv():
            layers = (module.widen, module.mix, module.narrow)
            if inverted_residual.fits(layers):
                return KernelInvertedResidual(layers, kernels, residual=True)
        case FusedBlock() if transformer_block.fits(module):
            return KernelBlock(module, kernels)
        case nn.Sequential():
            parts = list(_joined(list(module), kernels))
            return nn.Sequential(*parts) if parts != list(module) else None
    return None


def _joined(parts: list[nn.Module], kernels: Kernels) -> Iterator[nn.Module]:
    """Yield the parts of a sequence, with those that one kernel computes together as one."""
    place = 0
    while place < len(parts):
        own, count = _first_of(parts[place:], kernels)
        yield own
        place += count


def _first_of(parts: list[nn.Module], kernels: Kernels) -> tuple[nn.Module, int]:
    """Return the module for the first parts of a sequence, and how many it replaces."""
    three = tuple(parts[:3])
    if inverted_residual.fits(three):
        return KernelInvertedResidual(three, kernels, residual=False), len(three)
    mixer = mixer_at(parts, kernels)
    if mixer is not None:
        return mixer
    pair = pair_at(parts)
    if pair is not None:
        return KernelConvolutionPair(*pair, kernels), sum(map(len, pair))
    return parts[0], 1
