"""Encoders on kernels: the published embedding, and the executions that use them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from fixtures.models.kernels import bfloat16_kernels, kernels, reset_kernels
from fixtures.models.random_parameters import noise, randomised
from samfleet.variants.catalogue import get_variant
from samfleet.variants.execution import Execution
from samfleet_kernels.library import Kernels, choose, chosen, counted
from samfleet_models.modeling.fusion import ChannelNorm, FusedConvolution, FusedLinear, fuse_pair
from samfleet_models.modeling.image_encoders.tiny_vit import MBConv
from samfleet_models.modeling.image_encoders.tiny_vit_fused import FusedMBConv
from samfleet_models.modeling.kernel_layers.convolution_pair import KernelConvolutionPair
from samfleet_models.modeling.kernel_layers.inverted_residual import KernelInvertedResidual
from samfleet_models.modeling.kernel_layers.replacement import use_kernels
from samfleet_models.modeling.kernel_layers.transformer_block import KernelBlock
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.precision.dtypes import PrecisionUnsupported

__all__ = ["bfloat16_kernels", "kernels", "reset_kernels"]

TOLERANCE = 1e-5  # of the embedding's range
ROUNDED = 0.02  # of the embedding's norm, of products in bf16: 8 bits of mantissa
OFFICIAL = get_variant("mobile_sam")
ARCHITECTURE = {
    "embed_dims": (16, 32, 64, 96),
    "depths": (1, 1, 2, 1),
    "num_heads": (1, 1, 2, 3),
    "window_sizes": (7, 7, 14, 7),
}
RECORD = replace(OFFICIAL, name="narrow", architecture=ARCHITECTURE, input_size=144)


def network_of(execution: Execution) -> SamNetwork:
    network = build_network(RECORD, execution)
    assert isinstance(network, SamNetwork)
    randomised(network.image_encoder)
    return network.eval()


def pixels() -> Tensor:
    return noise(2, 3, RECORD.input_size, RECORD.input_size, seed=3)


def kernel_operations(network: SamNetwork) -> int:
    """Return the operations of kernels while two images are encoded."""
    network.encode(pixels())
    with counted() as count:
        network.encode(pixels())
    return count.total


@torch.inference_mode()
def test_an_encoder_on_kernels_equals_the_published_one(kernels: Kernels) -> None:
    network = network_of(Execution())
    (found,) = network.encode(pixels())
    expected = network.image_encoder.double()(pixels().double())
    assert found.is_contiguous(memory_format=torch.channels_last)
    span = (expected.max() - expected.min()).item()
    assert (found - expected).abs().max().item() <= TOLERANCE * span


def test_every_block_of_mobile_sam_has_a_kernel(kernels: Kernels) -> None:
    with torch.device("cpu"):
        network = build_network(OFFICIAL)
    assert isinstance(network, SamNetwork)
    fused = network.fused_encoder()
    assert use_kernels(fused, torch.float32) is fused
    own = [type(part) for part in fused.modules()]
    assert own.count(KernelInvertedResidual) == 2 + 3
    assert own.count(KernelBlock) == 2 + 6 + 2
    assert own.count(KernelConvolutionPair) == 2
    assert not {FusedConvolution, FusedLinear, ChannelNorm} & set(own)


@torch.inference_mode()
@pytest.mark.usefixtures("reset_kernels")
def test_only_float32_that_is_not_compiled_runs_on_kernels() -> None:
    if chosen() is None:
        pytest.skip("no kernels here")
    assert kernel_operations(network_of(Execution())) > 0
    assert kernel_operations(network_of(Execution("bf16"))) == 0
    choose("off")
    assert kernel_operations(network_of(Execution())) == 0


@torch.inference_mode()
@pytest.mark.usefixtures("bfloat16_kernels")
def test_only_bf16_kernels_rounds_the_operands_of_an_encoder() -> None:
    fp32, decoder_only, both = (
        network_of(Execution(precision)) for precision in ("fp32", "bf16_products", "bf16_kernels")
    )
    expected = fp32.encode(pixels())[0]
    assert torch.equal(decoder_only.encode(pixels())[0], expected)
    found = both.encode(pixels())[0]
    assert 0 < (found - expected).norm() <= ROUNDED * expected.norm()
    assert kernel_operations(both) == kernel_operations(fp32)


@torch.inference_mode()
@pytest.mark.usefixtures("bfloat16_kernels")
def test_bf16_kernels_are_refused_where_no_block_has_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(Execution("bf16_kernels"))
    monkeypatch.setattr(network, "fused_encoder", lambda: nn.Sequential(nn.Conv2d(3, 16, 1)))
    with pytest.raises(PrecisionUnsupported, match=r"encoder of narrow, .* serve it in bf16_products"):
        network.warm_up()


def test_modules_without_kernels_stay(kernels: Kernels) -> None:
    layers = nn.Sequential(nn.Conv2d(3, 16, 1), nn.GELU(), nn.Linear(16, 16))
    before = dict(layers.named_modules())
    assert use_kernels(layers, torch.float32) is layers
    assert dict(layers.named_modules()) == before


def test_an_encoder_that_is_a_sequence_is_replaced_itself(kernels: Kernels) -> None:
    block = MBConv(16)
    fused = nn.Sequential(FusedMBConv(block), *(fuse_pair(part, "gelu") for part in (block.conv1, block.conv2)))
    fused.append(fuse_pair(block.conv3))
    replaced = use_kernels(fused, torch.float32)
    assert [type(part) for part in replaced.children()] == [KernelInvertedResidual] * 2
