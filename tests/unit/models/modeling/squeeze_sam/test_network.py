"""Facts of the authors' code: sizes, keys and the dependence on the prompt."""

from __future__ import annotations

from typing import cast

import torch

from fixtures.models.random_parameters import noise, randomised
from samfleet.variants.catalogue import get_variant
from samfleet_models.modeling.squeeze_sam.blocks import DoubleSide
from samfleet_models.modeling.squeeze_sam.network import SqueezeSizes, build_squeeze_sam

TINY = {"channels": (8, 8, 16), "transformer_depth": 2, "hidden": 8}


def test_the_hosted_network_has_the_size_of_the_authors_code() -> None:
    with torch.device("meta"):
        network = build_squeeze_sam(get_variant("squeezesam").architecture)
    assert sum(value.numel() for value in network.parameters()) == 10_159_260
    keys = network.state_dict().keys()
    assert len(keys) == 377
    assert {
        "patch_embed.proj.1.weight",
        "unet_encoder.down_layers.7.maxpool_conv.1.double_conv.1.norm.running_var",
        "get_iou_predictions_and_mask_tokens.transformer.layers.1.mlp.layers.0.0.weight",
        "unet_decoder.unet_upscaling_layers.6.up.upsampler_linear.0.bias",
        "mask_decoder.output_hypernetworks_mlps.3.fc.weight",
    } <= keys


def test_masks_have_half_the_side_and_depend_on_the_prompt() -> None:
    network = randomised(build_squeeze_sam(TINY))
    inputs = noise(1, 5, 64, 64).repeat(2, 1, 1, 1)
    inputs[:, 3:] = 0
    inputs[1, 4, 10:20, 10:20] = 1
    with torch.inference_mode():
        masks, ious = network(inputs)
    assert masks.shape == (2, 4, 32, 32)
    assert ious.shape == (2, 4)
    assert (masks[0] - masks[1]).abs().max() > 1e-3
    assert (ious[0] - ious[1]).abs().max() > 1e-6


def test_the_side_must_be_halved_by_every_level() -> None:
    assert SqueezeSizes(**TINY).multiple == 8  # type: ignore[arg-type]  # of three types
    assert SqueezeSizes(**get_variant("squeezesam").architecture).multiple == 256  # type: ignore[arg-type]


def test_four_values_of_a_channel_become_a_square_of_pixels() -> None:
    """The plain form of the authors' code: a linear layer, then the four values of each channel row by row."""
    step = cast("DoubleSide", randomised(DoubleSide(4)))
    x = noise(1, 4, 3, 2)
    found = step(x)
    spread = step.norm(step.upsampler_linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
    for channel in range(2):
        for y in range(6):
            for column in range(4):
                place = channel * 4 + (y % 2) * 2 + column % 2
                assert found[0, channel, y, column] == spread[0, place, y // 2, column // 2]
