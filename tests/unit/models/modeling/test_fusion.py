"""Every fused layer against the published layers that it replaces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fixtures.models.random_parameters import noise, randomised
from samfleet_models.modeling import fusion
from samfleet_models.modeling.common import LayerNorm2d
from samfleet_models.modeling.fusion import (
    ChannelNorm,
    fold_norm,
    fuse_after_norm,
    fuse_linear,
    fuse_neck,
    fuse_pair,
)
from samfleet_models.modeling.image_encoders.tiny_vit import ConvNorm
from samfleet_models.ops import onednn
from samfleet_models.ops.onednn_layers import Activation

TOLERANCE = 1e-5  # of values of about one
ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "gelu": functional.gelu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
    "relu": torch.relu,
}


@pytest.fixture(params=["onednn", "torch"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each layer test with oneDNN's operators and with torch's."""
    if request.param == "torch":
        monkeypatch.setattr(onednn, "AVAILABLE", False)
    elif not onednn.AVAILABLE:
        pytest.skip("needs a torch built with oneDNN")


@torch.inference_mode()
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize(
    ("inner", "outer", "kernel", "stride", "groups"),
    [(3, 8, 3, 2, 1), (8, 12, 1, 1, 1), (8, 8, 3, 1, 8), (8, 8, 3, 2, 8)],
)
def test_a_normalisation_is_fused_into_its_convolution(
    inner: int, outer: int, kernel: int, stride: int, groups: int, activation: Activation
) -> None:
    pair = randomised(ConvNorm(inner, outer, kernel, stride, groups))
    x = noise(2, inner, 9, 9, seed=99)
    fused = fuse_pair(pair, activation)
    expected = ACTIVATIONS[activation](pair(x))
    for image in (x, x.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(fused(image), expected, atol=TOLERANCE * 10, rtol=TOLERANCE)


def test_a_bias_before_the_normalisation_is_folded_in_float64() -> None:
    pair = randomised(nn.Sequential(nn.Conv2d(5, 6, 3), nn.BatchNorm2d(6))).double()
    x = noise(1, 5, 7, 7).double()
    weight, bias = fold_norm(pair[0], pair[1])  # type: ignore[index]  # a module need not be indexable
    torch.testing.assert_close(functional.conv2d(x, weight, bias), pair(x), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize(
    "other", [nn.Sequential(nn.Conv2d(3, 3, 1)), nn.Sequential(nn.Conv2d(3, 3, 1), nn.GELU()), nn.GELU()]
)
def test_layers_that_are_no_pair_are_refused(other: nn.Module) -> None:
    with pytest.raises(TypeError, match="its batch normalisation"):
        fuse_pair(other)


def test_a_normalisation_without_statistics_is_refused() -> None:
    with pytest.raises(TypeError, match="running statistics"):
        fold_norm(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))


@torch.inference_mode()
@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_a_linear_layer_adds_after_its_activation(activation: Activation) -> None:
    layer = randomised(nn.Linear(6, 10))
    x, add = noise(2, 3, 4, 6), noise(2, 3, 4, 10, seed=1)
    fused = fuse_linear(layer, activation)  # type: ignore[arg-type]  # it is the same layer
    expected = ACTIVATIONS[activation](layer(x))
    torch.testing.assert_close(fused(x), expected, atol=TOLERANCE, rtol=TOLERANCE)
    torch.testing.assert_close(fused(x, add=add), expected + add, atol=TOLERANCE, rtol=TOLERANCE)


@torch.inference_mode()
def test_gain_and_shift_of_a_norm_are_fused_into_the_next_linear_layer() -> None:
    norm, layer = nn.LayerNorm(6), nn.Linear(6, 10)
    expected = randomised(nn.Sequential(norm, layer))
    x = noise(5, 6)
    fused = fuse_after_norm(norm, layer)
    torch.testing.assert_close(fused(fusion.normalised(x, norm.eps)), expected(x), atol=TOLERANCE, rtol=TOLERANCE)


@torch.inference_mode()
def test_channels_are_normalised_like_by_layer_norm_2d() -> None:
    norm = LayerNorm2d(7)
    randomised(norm)
    x = noise(2, 7, 5, 4)
    fused = ChannelNorm(norm)
    for image in (x, x.contiguous(memory_format=torch.channels_last)):
        torch.testing.assert_close(fused(image), norm(x), atol=TOLERANCE, rtol=TOLERANCE)


def test_a_neck_with_other_layers_is_refused() -> None:
    with pytest.raises(TypeError, match="no part of SAM's neck"):
        fuse_neck(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU()))


def test_converting_fused_layers_does_not_change_the_original_layers() -> None:
    layer = nn.Linear(4, 4)
    fused = fuse_linear(layer)
    assert fused.weight.data_ptr() == layer.weight.data_ptr()
    fused.to(torch.bfloat16)
    assert (fused.weight.dtype, layer.weight.dtype) == (torch.bfloat16, torch.float32)
