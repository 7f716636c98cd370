"""Integer layers against a simulation in float64 that rounds the same numbers."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from samfleet_models.modeling.fusion import FusedConvolution, FusedLinear, activate_
from samfleet_models.modeling.quantised import Scaling, quantisable, quantise_layers, quantised
from samfleet_models.ops import integer_layers
from samfleet_models.ops.onednn_layers import Activation

pytestmark = pytest.mark.skipif(not integer_layers.supported(), reason="needs a CPU with VNNI or AMX")

CHANNELS, OUTPUTS, ZERO = 20, 24, 119
TOLERANCE = 1e-5  # of outputs of a few units: only the order of float32 operations differs


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def scaling() -> Scaling:
    """Return scales of different channels; the range covers about 3.5 standard deviations."""
    return Scaling(tuple((0.03 + 0.001 * torch.arange(CHANNELS)).tolist()), ZERO)


def rounded_input(x: Tensor, scales: Tensor) -> Tensor:
    """Return the numbers that the integers of `x` stand for; `scales` broadcast to it. Halves are rounded up."""
    inverse = (1 / scales).float()
    integers = torch.floor(x * inverse + (ZERO + 0.5)).clamp(0, 255)
    return (integers.double() - ZERO) * scales


def rounded_weight(weight: Tensor, scales: Tensor) -> Tensor:
    values, outer = integer_layers.quantise_weights((weight.double() * scales).float())
    shape = (-1, *[1] * (weight.dim() - 1))
    return values.double() * outer.double().view(shape) / scales


@pytest.mark.parametrize("activation", get_args(Activation))
def test_a_linear_layer_multiplies_the_rounded_numbers(activation: Activation) -> None:
    weight, bias = noise(OUTPUTS, CHANNELS, seed=1), noise(OUTPUTS, seed=2)
    x, add = noise(2, 5, 7, CHANNELS), noise(2, 5, 7, OUTPUTS, seed=3)
    scales = torch.tensor(scaling().scales, dtype=torch.float64)
    expected = functional.linear(rounded_input(x, scales), rounded_weight(weight, scales), bias.double())
    found = quantised(FusedLinear(weight, bias, activation), scaling())(x, add=add.clone())
    torch.testing.assert_close(found.double(), activate_(expected, activation) + add, atol=TOLERANCE, rtol=1e-3)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(1, 1, 0), (1, 2, 0), (3, 2, 1), (3, 1, 1), (4, 4, 0)])
def test_a_convolution_multiplies_the_rounded_numbers(
    activation: Activation, kernel: int, stride: int, padding: int
) -> None:
    """Its padding is the real number 0, although the integer 0 is not."""
    published = nn.Conv2d(CHANNELS, OUTPUTS, kernel, stride, padding)
    weight, bias = noise(OUTPUTS, CHANNELS, kernel, kernel, seed=1), noise(OUTPUTS, seed=2)
    x = noise(2, CHANNELS, 13, 16).contiguous(memory_format=torch.channels_last)
    scales = torch.tensor(scaling().scales, dtype=torch.float64)[:, None, None]
    layer = FusedConvolution(published, weight, bias, activation)
    expected = functional.conv2d(
        rounded_input(x, scales), rounded_weight(weight, scales), bias.double(), stride, padding
    )
    with torch.inference_mode():
        found = quantised(layer, scaling())(x)
    torch.testing.assert_close(found.double(), activate_(expected, activation), atol=TOLERANCE, rtol=1e-3)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_numbers_beyond_the_range_become_its_ends() -> None:
    x = torch.tensor([[-1e6, 1e6, -1e-9, 0.0]])
    integers = integer_layers.quantise(x, torch.ones(4), ZERO)
    assert integers.tolist() == [[0, 255, ZERO, ZERO]]


def test_blocks_join_without_a_seam() -> None:
    x = noise(2 * integer_layers.BLOCK // CHANNELS + 3, CHANNELS)
    inverse = torch.linspace(5, 50, CHANNELS)
    expected = torch.floor(x * inverse + (ZERO + 0.5)).clamp(0, 255).to(torch.uint8)
    assert torch.equal(integer_layers.quantise(x, inverse, ZERO), expected)


def test_an_output_of_zeros_has_a_scale() -> None:
    values, scales = integer_layers.quantise_weights(torch.zeros(2, 3))
    assert not values.any()
    assert (scales > 0).all()


def test_layers_without_a_bias_and_of_groups() -> None:
    grouped = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS)
    encoder = nn.Sequential(
        FusedConvolution(grouped, grouped.weight, grouped.bias, "none"), FusedLinear(noise(OUTPUTS, 4), None)
    )
    assert [name for name, _ in quantisable(encoder)] == ["1"]
    with pytest.raises(KeyError):
        quantise_layers(encoder, {"0": scaling()})
    quantise_layers(encoder, {"1": Scaling((0.05,) * 4, 128)})
    x = noise(3, 4)
    torch.testing.assert_close(encoder[1](x), functional.linear(x, noise(OUTPUTS, 4)), atol=0.2, rtol=0.1)
