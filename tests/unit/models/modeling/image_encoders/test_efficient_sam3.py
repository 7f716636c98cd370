"""EfficientSAM3's image encoders: fused forms against the published ones, and their sizes against the README."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from fixtures.models.random_parameters import noise, randomised
from fixtures.models.tiny_families import ARCHITECTURES
from samfleet.variants.catalogue import get_variant
from samfleet_models.networks.families import FAMILIES

SIDE = 126  # RepViT's stages have 63, 32, 16, 8 and 4 pixels a side, the embedding 9
TINY = ["efficient_sam3_repvit_s", "efficient_sam3_tinyvit_s", "efficient_sam3_efficientvit_s"]

# Millions of parameters of the backbones, as the README of SimonZeng7108/efficientsam3 states them at 11e18d6.
PARAMETERS = {
    "repvit_s": 4.72,
    "repvit_m": 7.77,
    "repvit_l": 22.40,
    "tinyvit_s": 5.07,
    "tinyvit_m": 10.55,
    "tinyvit_l": 20.62,
    "efficientvit_s": 0.68,
    "efficientvit_m": 4.64,
    "efficientvit_l": 14.98,
}


def built(name: str, architecture: dict[str, Any], side: int) -> nn.Module:
    record = get_variant(name)
    return FAMILIES[record.family].build({**record.architecture, **architecture}, side)


@torch.inference_mode()
@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fused_encoder_equals_the_published_one(name: str, dtype: torch.dtype) -> None:
    encoder = built(name, ARCHITECTURES[name], SIDE)
    randomised(encoder).to(dtype)
    pixels = noise(2, 3, SIDE, SIDE).to(dtype)
    published = encoder(pixels)
    fused = FAMILIES[get_variant(name).family].fuse(encoder, SIDE)(pixels)
    assert [tuple(x.shape) for x in fused] == [(2, 256, 9, 9), (2, 32, 36, 36), (2, 64, 18, 18)]
    for ours, theirs in zip(fused, published, strict=True):
        tolerance = 2e-5 if dtype == torch.float32 else 1e-10
        assert (ours - theirs).abs().max() <= tolerance * (theirs.max() - theirs.min())


@pytest.mark.parametrize("size", PARAMETERS)
def test_the_backbones_have_the_published_numbers_of_parameters(size: str) -> None:
    with torch.device("meta"):
        encoder = built(f"efficient_sam3_{size}", {}, 1008)
    backbone = encoder.get_submodule("trunk.backbone")
    assert sum(value.numel() for value in backbone.parameters()) / 1e6 == pytest.approx(PARAMETERS[size], abs=0.006)


@pytest.mark.parametrize("name", TINY)
def test_features_have_the_shape_of_sam_3_s(name: str) -> None:
    record = get_variant(name)
    with torch.device("meta"), torch.inference_mode():
        encoder = built(name, {}, record.input_size).eval()
        trunk = encoder.get_submodule("trunk")
        pixels = torch.zeros(1, 3, record.input_size, record.input_size)
        assert trunk.get_submodule("backbone")(pixels).shape[2:] == (32, 32)
        assert trunk(pixels).shape == (1, 1024, 72, 72)
