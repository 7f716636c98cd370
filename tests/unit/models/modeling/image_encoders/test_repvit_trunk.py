"""EdgeTAM's trunk at a small size: its feature maps and its fused form."""

from __future__ import annotations

import copy

import torch

from fixtures.models.random_network import filled
from samfleet_models.modeling.image_encoders.repvit_trunk import FusedRepVitTrunk, RepVitTrunk

TOLERANCE = 1e-5  # of the range of a map
CHANNELS, DEPTHS = (16, 24, 32, 48), (2, 1, 3, 2)


def test_the_maps_halve_from_stage_to_stage() -> None:
    maps = RepVitTrunk(CHANNELS, DEPTHS)(torch.zeros(2, 3, 64, 96))
    assert [tuple(part.shape) for part in maps] == [(2, 16, 16, 24), (2, 24, 8, 12), (2, 32, 4, 6), (2, 48, 2, 3)]


@torch.inference_mode()
def test_the_fused_trunk_equals_the_published_one() -> None:
    trunk = filled(RepVitTrunk(CHANNELS, DEPTHS))
    pixels = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(1))
    exact = copy.deepcopy(trunk).double()(pixels.double())
    fused = FusedRepVitTrunk(trunk)(pixels)
    for ours, theirs in zip(fused, exact, strict=True):
        assert ours.is_contiguous(memory_format=torch.channels_last)
        assert (ours - theirs).abs().max() <= TOLERANCE * (theirs.max() - theirs.min())


def test_every_other_block_has_squeeze_and_excitation() -> None:
    keys = RepVitTrunk(CHANNELS, DEPTHS).state_dict()
    squeezing = sorted({key.partition(".se.")[0] for key in keys if ".se." in key})
    assert squeezing == [
        "stages_0.blocks.0",
        "stages_1.blocks.0",
        "stages_2.blocks.0",
        "stages_2.blocks.2",
        "stages_3.blocks.0",
    ]
