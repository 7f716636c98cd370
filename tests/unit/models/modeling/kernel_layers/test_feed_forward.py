"""The kernel of feed-forward blocks against RepViT's channel mixers in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fixtures.models.kernels import kernels
from fixtures.models.random_parameters import noise, randomised
from samfleet_kernels.library import Kernels, counted
from samfleet_models.modeling.fusion import fuse_pair
from samfleet_models.modeling.image_encoders.repvit_blocks import RepVggDw, Residual
from samfleet_models.modeling.image_encoders.repvit_fused import fuse_steps
from samfleet_models.modeling.image_encoders.tiny_vit import ConvNorm
from samfleet_models.modeling.kernel_layers.feed_forward import mixer_at

__all__ = ["kernels"]

TOLERANCE = 1e-5  # of the range of the result


def mixer_of(dim: int, hidden: int) -> Residual:
    return Residual(ConvNorm(dim, hidden), nn.GELU(), ConvNorm(hidden, dim))


def block_of(dim: int, hidden: int) -> nn.Module:
    """Return a depth-wise convolution of three branches, then a residual pair of 1x1 convolutions."""
    return randomised(nn.Sequential(RepVggDw(dim, "sum"), mixer_of(dim, hidden)))


def assert_within_tolerance(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    span = (expected.max() - expected.min()).item()
    assert (found - expected).abs().max().item() <= TOLERANCE * span


@torch.inference_mode()
@pytest.mark.parametrize(("dim", "hidden", "height", "width"), [(16, 32, 1, 1), (48, 96, 5, 19), (32, 1600, 2, 130)])
def test_a_block_equals_its_convolutions(kernels: Kernels, dim: int, hidden: int, height: int, width: int) -> None:
    """A line of 130 pixels of 1600 channels is three strips."""
    block = block_of(dim, hidden)
    x = noise(2, dim, height, width, seed=6)
    last = x.contiguous(memory_format=torch.channels_last)
    mix, mixer = fuse_steps(block)
    whole = mixer_at([mix, mixer, nn.GELU()], kernels)
    assert whole is not None
    assert whole[1] == 2
    alone = mixer_at([mixer, mix], kernels)
    assert alone is not None
    assert alone[1] == 1
    mixed = mix(last)
    block.double()
    assert_within_tolerance(whole[0](last), block(x.double()))
    assert_within_tolerance(alone[0](mixed), list(block.children())[1](mixed.double()))


@torch.inference_mode()
def test_operations_are_those_of_the_convolutions(kernels: Kernels) -> None:
    mix, mixer = fuse_steps(block_of(16, 48))
    for own, taps in (([mix, mixer], 9), ([mixer], 0)):
        found = mixer_at(own, kernels)
        assert found is not None
        with counted() as count:
            found[0](noise(2, 16, 3, 5).contiguous(memory_format=torch.channels_last))
        assert count.total == 2 * 2 * 15 * (2 * 16 * 48 + taps * 16)


def test_other_layers_do_not_fit(kernels: Kernels) -> None:
    mix, mixer = fuse_steps(block_of(16, 48))
    (odd,) = fuse_steps(nn.Sequential(mixer_of(24, 48)))
    assert mixer_at([mix], kernels) is None
    assert mixer_at([odd], kernels) is None  # 24 channels
    assert mixer_at([nn.GELU(), mixer], kernels) is None
    assert mixer_at([], kernels) is None
    strided = fuse_pair(ConvNorm(16, 16, 3, 2, groups=16))
    assert mixer_at([strided, mixer], kernels) is None
    assert mixer_at([mix, mixer], kernels) is not None
