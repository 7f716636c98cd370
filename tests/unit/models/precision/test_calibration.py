"""The choices of a calibration: scales, and layers in int8."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fixtures.models.tiny_variant import tiny
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.modeling.fusion import FusedConvolution, FusedLinear
from samfleet_models.modeling.quantised import Scaling, quantisable, quantise_layers
from samfleet_models.networks.registry import build_network
from samfleet_models.ops import integer_layers
from samfleet_models.precision.calibration import NoIntegerLayers, Observed, best_scaling, calibrate, observe

__all__ = ["tiny"]

pytestmark = pytest.mark.skipif(not integer_layers.supported(), reason="needs a CPU with VNNI or AMX")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def silent(_: str) -> None:
    pass


def error_of(scaling: Scaling, x: Tensor, weight: Tensor) -> float:
    layer = FusedLinear(weight, None)
    encoder = nn.Sequential(layer)
    exact = layer(x)
    quantise_layers(encoder, {"0": scaling})
    return float((encoder(x) - exact).norm() / exact.norm())


def test_channels_of_different_ranges_have_different_scales() -> None:
    """One scale for all would round the small channels to nothing."""
    ranges = torch.tensor([100.0, 1.0, 0.01] * 8)
    x, weight = noise(400, 24) * ranges, noise(16, 24, seed=1) / ranges
    scaling = best_scaling(weight, Observed(x.amin(0), x.amax(0), [x[:, :, None]]))
    assert max(scaling.scales) / min(scaling.scales) > 100
    largest = float(x.abs().max())
    assert error_of(scaling, x, weight) < 0.05 < error_of(Scaling((2 * largest / 255,) * 24, 128), x, weight)


def test_a_rare_large_number_does_not_cost_all_others() -> None:
    x, weight = noise(400, 24), noise(16, 24, seed=1)
    low, high = x.amin(0), x.amax(0)
    scaling = best_scaling(weight, Observed(5 * low, 5 * high, [x[:, :, None]]))
    assert max(scaling.scales) < 5 * float((high - low).max()) / 255 / 2


def test_a_channel_without_values_has_a_scale() -> None:
    x = torch.cat([noise(50, 3), torch.zeros(50, 1)], dim=1)
    scaling = best_scaling(noise(2, 4, seed=1), Observed(x.amin(0), x.amax(0), [x[:, :, None]]))
    assert all(scale > 0 for scale in scaling.scales)
    assert 0 <= scaling.zero <= 255


@torch.inference_mode()
def test_samples_are_what_outputs_are_computed_from() -> None:
    published = nn.Conv2d(3, 5, 3, stride=2, padding=1)
    assert published.bias is not None
    layer = FusedConvolution(published, published.weight, published.bias, "none")
    found = observe(nn.Sequential(layer), {"0": layer}, [noise(1, 3, 9, 12), noise(1, 3, 9, 12, seed=1)])["0"]
    outputs = torch.cat([layer(noise(1, 3, 9, 12, seed=seed)) for seed in (0, 1)])
    samples = torch.cat(found.samples)
    assert samples.shape == (512, 3, 9)
    products = torch.einsum("nck,ock->no", samples, layer.weight.flatten(2)) + published.bias
    known = outputs.permute(0, 2, 3, 1).flatten(0, 2)
    distances = torch.cdist(products, known, compute_mode="donot_use_mm_for_euclid_dist")
    assert float(distances.amin(1).max()) < 1e-5
    assert found.operations == 5 * 5 * 6 * 27
    assert found.high.shape == (3,)


@torch.inference_mode()
def test_the_limit_decides_how_many_layers_are_integers(tiny: tuple[VariantRecord, Path]) -> None:
    network = build_network(tiny[0])
    load_weights(network, *tiny)
    images = [noise(1, 3, 128, 128, seed=seed) for seed in (1, 2)]
    encoder = network.fused_encoder()
    exact = encoder(images[0])
    shares = []
    for most_error in (0.001, 0.01, 0.5):
        layers, error = calibrate(encoder, images, most_error, silent)
        torch.testing.assert_close(encoder(images[0]), exact, atol=0, rtol=0)  # the encoder is as before
        assert error <= most_error
        assert [layer.name for layer in layers] == [name for name, _ in quantisable(encoder)]
        shares.append(sum(layer.quantised for layer in layers))
        replaced = network.fused_encoder()
        quantise_layers(replaced, {one.name: Scaling(one.scales, one.zero) for one in layers if one.quantised})
        found = [replaced(pixels) for pixels in images]
        difference = sum(float((one - encoder(own)).square().sum()) for one, own in zip(found, images, strict=True))
        whole = sum(float(encoder(own).square().sum()) for own in images)
        assert (difference / whole) ** 0.5 == pytest.approx(error, rel=1e-3)
    assert 0 < shares[0] < shares[1] < shares[2] == len(layers)
    with pytest.raises(NoIntegerLayers):
        calibrate(encoder, images, 1e-7, silent)
