"""Integer encoders of several families against a simulation that rounds the same numbers in float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fixtures.models.tiny_families import tiny_variant_of
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.modeling.fusion import FusedLinear, activate_
from samfleet_models.modeling.quantised import Layer, Scaling, quantisable, quantise_layers
from samfleet_models.networks.registry import build_network
from samfleet_models.ops import integer_layers
from samfleet_models.precision.calibration import best_scaling, observe

VARIANTS = ("mobile_sam", "sam_vit_b", "efficientvit_sam_l0", "sam2_1_hiera_t", "repvit_sam")  # windows, skips, strides

pytestmark = pytest.mark.skipif(not integer_layers.supported(), reason="needs a CPU with VNNI or AMX")


class Simulated(nn.Module):
    """A fused layer on numbers rounded to the steps of int8."""

    def __init__(self, layer: Layer, scaling: Scaling) -> None:
        super().__init__()
        self.layer, self.zero = layer, scaling.zero
        scales = torch.tensor(scaling.scales)
        self.scales = scales if isinstance(layer, FusedLinear) else scales[:, None, None]
        channels = scales.view(-1, *[1] * (layer.weight.dim() - 2))
        values, outer = integer_layers.quantise_weights(layer.weight * channels)
        self.weight = values * outer.view(-1, *[1] * (layer.weight.dim() - 1)) / channels

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        x = (torch.floor(x / self.scales + (self.zero + 0.5)).clamp(0, 255) - self.zero) * self.scales
        if isinstance(self.layer, FusedLinear):
            out = activate_(functional.linear(x, self.weight, self.layer.bias), self.layer.activation)
            return out if add is None else out + add
        numbers = (self.layer.stride, self.layer.padding, self.layer.dilation)
        return activate_(functional.conv2d(x, self.weight, self.layer.bias, *numbers), self.layer.activation)


def features(encoder: nn.Module, pixels: Tensor) -> Tensor:
    found = encoder(pixels)
    return torch.cat([part.flatten() for part in (found if isinstance(found, tuple) else (found,))])


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_an_integer_encoder_computes_what_its_simulation_does(variant: str, tmp_path: Path) -> None:
    record, path = tiny_variant_of(variant, tmp_path)
    network = build_network(record)
    load_weights(network, record, path)
    side = record.input_size
    pixels = torch.randn(2, 1, 3, side, side, generator=torch.Generator().manual_seed(2))
    exact, integer, simulated = (network.fused_encoder() for _ in range(3))
    layers = dict(quantisable(exact))
    observed = observe(exact, layers, list(pixels))
    scalings = {name: best_scaling(layer.weight, observed[name]) for name, layer in layers.items()}
    quantise_layers(integer, scalings)
    for name, layer in quantisable(simulated):
        simulated.set_submodule(name, Simulated(layer, scalings[name]))
    expected, found = features(simulated, pixels[0]), features(integer, pixels[0])
    error = float((features(exact, pixels[0]) - expected).norm())
    assert 0 < error < 0.3 * float(expected.norm())
    assert float((found - expected).norm()) < 0.2 * error  # a number at the edge of two steps may go to either
