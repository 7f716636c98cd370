"""The kernel of inverted residual blocks against torch's convolutions in float64."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from fixtures.models.kernels import kernels
from fixtures.models.random_parameters import noise, randomised
from samfleet_kernels.library import Kernels, counted
from samfleet_models.modeling.fusion import fuse_pair
from samfleet_models.modeling.image_encoders.tiny_vit import MBConv, PatchMerging
from samfleet_models.modeling.image_encoders.tiny_vit_fused import FusedMBConv
from samfleet_models.modeling.kernel_layers.inverted_residual import KernelInvertedResidual, fits

__all__ = ["kernels"]

TOLERANCE = 1e-5  # of the range of the result


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def assert_within_tolerance(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert found.isfinite().all()
    span = (expected.max() - expected.min()).item()
    assert (found - expected).abs().max().item() <= TOLERANCE * span


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def merging_kernel(merging: PatchMerging, kernels: Kernels) -> KernelInvertedResidual:
    layers = fuse_pair(merging.conv1, "gelu"), fuse_pair(merging.conv2, "gelu"), fuse_pair(merging.conv3)
    assert fits(layers)
    return KernelInvertedResidual(layers, kernels, residual=False)


def block_kernel(block: nn.Module, kernels: Kernels) -> KernelInvertedResidual:
    assert isinstance(block, MBConv)
    fused = FusedMBConv(block)
    layers = (fused.widen, fused.mix, fused.narrow)
    assert fits(layers)
    return KernelInvertedResidual(layers, kernels, residual=True)


@torch.inference_mode()
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("dim", "height", "width"), [(16, 1, 1), (16, 2, 5), (48, 19, 33), (64, 17, 130), (80, 35, 9)])
def test_a_block_equals_its_convolutions(kernels: Kernels, dim: int, height: int, width: int) -> None:
    """Lines of more than 80 pixels of 256 channels are two strips; 3 threads make bands of 8 lines."""
    block = randomised(MBConv(dim))
    x = noise(2, dim, height, width, seed=7)
    fused = block_kernel(block, kernels)
    assert_within_tolerance(fused(channels_last(x)), block.double()(x.double()))


@torch.inference_mode()
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(("inner", "outer", "stride"), [(48, 80, 2), (16, 160, 2), (32, 320, 1)])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (17, 16), (36, 99)])
def test_merging_equals_its_convolutions(
    kernels: Kernels, inner: int, outer: int, stride: int, height: int, width: int
) -> None:
    merging = PatchMerging(inner, outer, stride)
    randomised(merging)
    x = noise(1, inner, height, width, seed=8)
    found = merging_kernel(merging, kernels)(channels_last(x))
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert_within_tolerance(found, merging.double()(x.double()))


@torch.inference_mode()
def test_extreme_numbers_stay_exact_and_nan_stays_in_its_neighbourhood(kernels: Kernels) -> None:
    block = randomised(MBConv(16))
    x = noise(1, 16, 9, 9, seed=9) * 1e6
    fused = block_kernel(block, kernels)
    expected = block.double()(x.double())
    assert_within_tolerance(fused(channels_last(x)), expected)
    x[0, 3, 4, 4] = torch.nan
    found = fused(channels_last(x))
    spoiled = found.isnan().any(1)[0]
    assert spoiled.sum() == 9
    assert spoiled[3:6, 3:6].all()


@torch.inference_mode()
def test_operations_are_those_of_the_convolutions(kernels: Kernels) -> None:
    merging = PatchMerging(16, 32, 2)
    kernel = merging_kernel(merging, kernels)
    with counted() as count:
        kernel(channels_last(noise(2, 16, 5, 7)))
    assert count.total == 2 * 2 * (35 * 16 * 32 + 12 * (9 * 32 + 32 * 32))


def test_other_layers_do_not_fit() -> None:
    fused, odd = FusedMBConv(MBConv(16)), FusedMBConv(MBConv(12))
    assert fits((fused.widen, fused.mix, fused.narrow))
    assert not fits((fused.widen, fused.mix, fused.mix))
    assert not fits((fused.mix, fused.mix, fused.narrow))
    assert not fits((odd.widen, odd.mix, odd.narrow))  # 12 channels
    assert not fits((nn.GELU(), fused.mix, fused.narrow))
    assert not fits((fused.widen, fused.mix))
    assert not fits((fused.widen.double(), fused.mix, fused.narrow))
