"""The kernels of TinyViT's blocks against the published block in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fixtures.models.kernels import kernels
from fixtures.models.random_parameters import noise, randomised
from samfleet_kernels.library import Kernels, counted
from samfleet_models.modeling.image_encoders.tiny_vit import TinyVitBlock
from samfleet_models.modeling.image_encoders.tiny_vit_fused import FusedBlock
from samfleet_models.modeling.kernel_layers.transformer_block import KernelBlock, fits

__all__ = ["kernels"]

TOLERANCE = 1e-5  # of the range of the result


def block_of(dim: int, heads: int, window: int) -> TinyVitBlock:
    block = randomised(TinyVitBlock(dim, heads, window))
    assert isinstance(block, TinyVitBlock)
    return block


def channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def assert_within_tolerance(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert found.isfinite().all()
    span = (expected.max() - expected.min()).item()
    assert (found - expected).abs().max().item() <= TOLERANCE * span


@torch.inference_mode()
@pytest.mark.parametrize(
    ("dim", "heads", "window", "grid"),
    [(32, 1, 7, 14), (64, 2, 7, 16), (96, 3, 7, 5), (160, 5, 14, 15), (32, 2, 4, 9), (128, 2, 5, 13), (96, 2, 7, 8)],
)
def test_a_block_equals_the_published_one(kernels: Kernels, dim: int, heads: int, window: int, grid: int) -> None:
    """Heads of 16, 32, 48 and 64 channels; windows that divide the grid, or not, or contain it."""
    block = block_of(dim, heads, window)
    fused = FusedBlock(block, grid)
    assert fits(fused)
    x = noise(2, dim, grid, grid, seed=grid)
    assert_within_tolerance(KernelBlock(fused, kernels)(channels_last(x)), block.double()(x.double()))


@torch.inference_mode()
def test_threads_share_the_windows_and_lines(kernels: Kernels) -> None:
    kernel = KernelBlock(FusedBlock(block_of(32, 1, 7), 20), kernels)
    x = channels_last(noise(1, 32, 20, 20))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = kernel(x)
        torch.set_num_threads(3)
        assert all(torch.equal(kernel(x), alone) for _ in range(5))
    finally:
        torch.set_num_threads(before)


@torch.inference_mode()
@pytest.mark.parametrize("strength", [30.0, 1e-4])
def test_attention_to_one_key_and_to_all_keys_alike(kernels: Kernels, strength: float) -> None:
    """Logits of hundreds leave one key; those of almost zero leave all."""
    block = block_of(64, 2, 7)
    block.attn.qkv.weight[:32] *= strength
    block.attn.attention_biases.mul_(strength)
    x = noise(1, 64, 9, 9, seed=4)
    found = KernelBlock(FusedBlock(block, 9), kernels)(channels_last(x))
    assert_within_tolerance(found, block.double()(x.double()))


@torch.inference_mode()
def test_constant_rows_have_no_deviation(kernels: Kernels) -> None:
    block = block_of(32, 1, 7)
    x = torch.full((1, 32, 7, 7), 3e4)
    found = KernelBlock(FusedBlock(block, 7), kernels)(channels_last(x))
    assert_within_tolerance(found, block.double()(x.double()))


@torch.inference_mode()
def test_operations_are_those_of_the_layers(kernels: Kernels) -> None:
    kernel = KernelBlock(FusedBlock(block_of(32, 1, 7), 8), kernels)
    with counted() as count:
        kernel(channels_last(noise(1, 32, 8, 8)))
    pairs = 49 * 49 + 7 * 8 + 7 * 8 + 1 * 2  # queries and keys; the edges' windows have a key of padding
    linear = 32 * 96 + 32 * 32 + 2 * 32 * 128
    assert count.total == 2 * (64 * (linear + 9 * 32) + 2 * pairs * 32)


def test_heads_of_parts_of_a_register_do_not_fit() -> None:
    assert not fits(FusedBlock(block_of(48, 2, 7), 8))
    assert not fits(FusedBlock(block_of(64, 2, 7), 8).double())
