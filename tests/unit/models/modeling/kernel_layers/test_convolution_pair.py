"""The kernel of two convolutions against torch's in float64: stems, and SAM's neck."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fixtures.models.kernels import kernels
from fixtures.models.random_parameters import noise, randomised
from samfleet_kernels.library import Kernels, counted
from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.fusion import FusedConvolution, fuse_neck, fuse_pair
from samfleet_models.modeling.image_encoders.tiny_vit import ConvNorm, PatchEmbed
from samfleet_models.modeling.kernel_layers.convolution_pair import KernelConvolutionPair, pair_at

__all__ = ["kernels"]

TOLERANCE = 1e-5  # of the range of the result
SIZES = [(1, 1), (2, 3), (19, 70), (41, 16)]  # height, width


def assert_within_tolerance(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert found.is_contiguous(memory_format=torch.channels_last)
    span = (expected.max() - expected.min()).item()
    assert (found - expected).abs().max().item() <= TOLERANCE * span


def kernel_of(parts: list[nn.Module], kernels: Kernels) -> KernelConvolutionPair:
    pair = pair_at(parts)
    assert pair is not None
    assert sum(map(len, pair)) == len(parts)
    return KernelConvolutionPair(*pair, kernels)


def neck_of(inner: int, outer: int) -> nn.Module:
    parts = nn.Conv2d(inner, outer, 1, bias=False), nn.Conv2d(outer, outer, 3, padding=1, bias=False)
    return randomised(nn.Sequential(parts[0], LayerNorm2d(outer), parts[1], LayerNorm2d(outer)))


@torch.inference_mode()
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_stem_equals_its_convolutions(kernels: Kernels, height: int, width: int, threads: int) -> None:
    """Planar images and those with channels last; three threads make bands of at least 8 lines."""
    stem = PatchEmbed(96 if height > 2 else 32)
    randomised(stem)
    first, _, second = stem.seq
    kernel = kernel_of([fuse_pair(first, "gelu"), fuse_pair(second)], kernels)
    x = noise(2, 3, height, width, seed=height)
    expected = stem.double()(x.double())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for image in (x, x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3).contiguous().mT):
            assert_within_tolerance(kernel(image), expected)
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_neck_equals_its_layers(kernels: Kernels, height: int, width: int) -> None:
    neck = neck_of(20, 80)
    assert isinstance(neck, nn.Sequential)
    x = noise(2, 20, height, width, seed=width)
    found = kernel_of(list(fuse_neck(neck)), kernels)(x.contiguous(memory_format=torch.channels_last))
    assert_within_tolerance(found, neck.double()(x.double()))


@torch.inference_mode()
def test_operations_are_those_of_the_convolutions(kernels: Kernels) -> None:
    neck = neck_of(16, 32)
    assert isinstance(neck, nn.Sequential)
    with counted() as count:
        kernel_of(list(fuse_neck(neck)), kernels)(noise(2, 16, 3, 5))
    assert count.total == 2 * 2 * 15 * (16 * 32 + 9 * 32 * 32)


def test_other_layers_do_not_fit() -> None:
    pair = [fuse_pair(ConvNorm(3, 16, 3, 2), "gelu"), fuse_pair(ConvNorm(16, 16, 3))]
    others = [
        fuse_pair(ConvNorm(16, 16, 3), "hardswish"),
        fuse_pair(ConvNorm(16, 16, 3, groups=16)),
        fuse_pair(ConvNorm(16, 24, 3)),
        fuse_pair(ConvNorm(16, 16, 5)),
        fuse_pair(ConvNorm(16, 16, 1)),
        fuse_pair(ConvNorm(16, 16, 3)).double(),
        nn.GELU(),
    ]
    assert pair_at(list(pair)) is not None
    assert all(pair_at([pair[0], other]) is None for other in others)
    assert pair_at([pair[0]]) is None
    assert isinstance(pair[0], FusedConvolution)
