"""Encoders' kernels with products in bfloat16, against fused layers in float32 whose operands are rounded before."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fixtures.models.kernels import bfloat16_kernels
from fixtures.models.random_parameters import noise, randomised
from samfleet_kernels.library import Kernels, chosen_for_bfloat16
from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.fusion import FusedConvolution, FusedLinear, fuse_neck, fuse_pair
from samfleet_models.modeling.image_encoders.repvit_blocks import RepVggDw, Residual
from samfleet_models.modeling.image_encoders.repvit_fused import fuse_steps
from samfleet_models.modeling.image_encoders.tiny_vit import ConvNorm, MBConv, PatchEmbed, PatchMerging, TinyVitBlock
from samfleet_models.modeling.image_encoders.tiny_vit_fused import FusedBlock, FusedMBConv
from samfleet_models.modeling.kernel_layers.packed import PackedLayer
from samfleet_models.modeling.kernel_layers.replacement import use_kernels

__all__ = ["bfloat16_kernels"]

pytestmark = pytest.mark.usefixtures("bfloat16_kernels")

TOLERANCE = 0.25  # of what rounding the operands changes: a number between two of bfloat16 may round either way
EXACT = 1e-5  # of the range of the result
CHANNELS = st.integers(1, 5).map(lambda registers: 16 * registers)
SIDE = st.integers(1, 34)
FEW = settings(max_examples=12, deadline=None, derandomize=True)


def assert_rounds_operands(fused: nn.Module, x: Tensor) -> None:
    """Compare the kernels of `fused` with its own layers after rounding their weights and inputs."""
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        exact = fused(x)
        kernels = use_kernels(nn.Sequential(*_parts(fused)), torch.float32, "bf16")
        assert not any(isinstance(part, FusedConvolution | FusedLinear) for part in kernels.modules())
        found = kernels(x)
        _round_operands(fused)
        expected = fused(x)
    assert found.shape == expected.shape
    assert (found - expected).norm() <= TOLERANCE * (exact - expected).norm()


def _parts(fused: nn.Module) -> list[nn.Module]:
    return list(fused) if isinstance(fused, nn.Sequential) else [fused]


def _round_operands(fused: nn.Module) -> None:
    for layer in fused.modules():
        if isinstance(layer, FusedConvolution | FusedLinear) and layer.weight.shape[1] % 16 == 0:
            layer.weight = layer.weight.bfloat16().float()
            layer.register_forward_pre_hook(lambda _layer, given: (given[0].bfloat16().float(), *given[1:]))


@FEW
@given(dim=CHANNELS, height=SIDE, width=SIDE)
def test_an_inverted_residual_block(dim: int, height: int, width: int) -> None:
    block = MBConv(dim)
    randomised(block)
    assert_rounds_operands(FusedMBConv(block), noise(1, dim, height, width))


@torch.inference_mode()
def test_nan_stays_in_its_neighbourhood() -> None:
    block = MBConv(16)
    randomised(block)
    kernels = use_kernels(nn.Sequential(FusedMBConv(block)), torch.float32, "bf16")
    x = noise(1, 16, 9, 9)
    x[0, 3, 4, 4] = torch.nan
    spoiled = kernels(x.contiguous(memory_format=torch.channels_last)).isnan().any(1)[0]
    assert spoiled.sum() == 9
    assert spoiled[3:6, 3:6].all()


@FEW
@given(inner=CHANNELS, outer=CHANNELS, stride=st.sampled_from([1, 2]), height=SIDE, width=SIDE)
def test_merging_without_a_residual_stays_in_float32(
    inner: int, outer: int, stride: int, height: int, width: int
) -> None:
    merging = PatchMerging(inner, outer, stride)
    randomised(merging)
    layers = fuse_pair(merging.conv1, "gelu"), fuse_pair(merging.conv2, "gelu"), fuse_pair(merging.conv3)
    fused = nn.Sequential(*layers)
    x = noise(1, inner, height, width).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = fused(x)
        found = use_kernels(nn.Sequential(*layers), torch.float32, "bf16")(x)
    assert (found - expected).abs().max() <= EXACT * (expected.max() - expected.min())


@FEW
@given(heads=st.integers(1, 3), depth=st.sampled_from([16, 64]), window=st.integers(2, 8), grid=st.integers(1, 17))
def test_a_transformer_block(heads: int, depth: int, window: int, grid: int) -> None:
    """The queries' scale is a power of two here, which rounding keeps."""
    dim = heads * depth
    block = TinyVitBlock(dim, heads, window)
    randomised(block)
    assert_rounds_operands(FusedBlock(block, grid), noise(2, dim, grid, grid))


@FEW
@given(dim=CHANNELS, hidden=CHANNELS, height=SIDE, width=SIDE)
def test_a_feed_forward_block(dim: int, hidden: int, height: int, width: int) -> None:
    mixer = Residual(ConvNorm(dim, hidden), nn.GELU(), ConvNorm(hidden, dim))
    block = randomised(nn.Sequential(RepVggDw(dim, "sum"), mixer))
    assert_rounds_operands(nn.Sequential(*fuse_steps(block)), noise(1, dim, height, width))


@FEW
@given(dim=CHANNELS.filter(lambda channels: channels % 32 == 0), height=SIDE, width=SIDE)
def test_a_stem_reads_the_image_in_float32(dim: int, height: int, width: int) -> None:
    stem = PatchEmbed(dim)
    randomised(stem)
    first, _, second = stem.seq
    assert_rounds_operands(nn.Sequential(fuse_pair(first, "gelu"), fuse_pair(second)), noise(1, 3, height, width))


@FEW
@given(inner=CHANNELS, outer=CHANNELS, side=st.sampled_from([1, 3]), height=SIDE, width=SIDE)
def test_a_neck(inner: int, outer: int, side: int, height: int, width: int) -> None:
    first = nn.Conv2d(inner, outer, side, padding=side // 2, bias=False)
    second = nn.Conv2d(outer, outer, 3, padding=1, bias=False)
    neck = randomised(nn.Sequential(first, LayerNorm2d(outer), second, LayerNorm2d(outer)))
    assert isinstance(neck, nn.Sequential)
    assert_rounds_operands(fuse_neck(neck), noise(2, inner, height, width))


def test_only_layers_of_whole_registers_are_rounded() -> None:
    kernels = chosen_for_bfloat16()
    assert isinstance(kernels, Kernels)
    of_image = PackedLayer.of_convolution(fuse_pair(randomised(ConvNorm(3, 32, 3))), kernels)
    of_channels = PackedLayer.of_convolution(fuse_pair(randomised(ConvNorm(32, 80, 3))), kernels)
    assert (of_image.weights.dtype, of_channels.weights.dtype) == (torch.float32, torch.bfloat16)
    assert of_channels.weights.numel() == 9 * 32 * 80
