"""SAM 3's tracker on images against transformers' with the same random weights, loaded from both published layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures.models.random_parameters import noise
from reference.transformers_sam3 import published_state, sam3_model
from samfleet.variants.catalogue import get_variant
from samfleet.variants.record import VariantRecord
from samfleet_models.decoder.dynamic_multimask import DELTA, STABLE
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

SIDE = 168  # a grid of 12 tokens: windows of 5 are padded, and the position embeddings of 7 are repeated
TINY = {"dim": 32, "heads": 2, "depth": 3, "hidden": 48, "window": 5, "global_blocks": (1,), "position_grid": 7}
POINTS = torch.tensor([[30.0, 40.0], [100.5, 20.25], [-6.0, 200.0], [64.0, 64.0]])
BOXES = torch.tensor([[10.0, 20.0, 90.0, 100.0], [5.0, 5.0, 5.0, 5.0], [-9.0, 0.0, 300.0, 128.0]])

Pair = tuple[SamNetwork, Any]


def pair(architecture: Mapping[str, Any], side: int) -> Pair:
    """Return our network and transformers' model with the same weights."""
    record = record_of(architecture, side)
    model = sam3_model(architecture, side)
    network = build_network(record)
    network.load_published(published_state(model))
    return network, model


def record_of(architecture: Mapping[str, Any], side: int) -> VariantRecord:
    return replace(get_variant("sam3_tracker"), architecture=dict(architecture), input_size=side)


@pytest.fixture(scope="module")
def tiny() -> Pair:
    return pair(TINY, SIDE)


def answers(network: SamNetwork, pixels: Tensor, coords: Tensor, labels: Tensor, masks: list[int]) -> list[Tensor]:
    """Return logits [P, m, h, w] and IoUs [P, m], with a padding point after each prompt, as the record specifies."""
    count = len(coords)
    coords = torch.cat([coords, torch.zeros(count, 1, 2)], dim=1)
    labels = torch.cat([labels, torch.full((count, 1), Label.PADDING)], dim=1)
    scored = network.decoder.score(network.decoder.prepare(network.encode(pixels)), coords, labels)
    rows = torch.arange(count).repeat_interleave(len(masks))
    drawn = network.decoder.draw(scored, rows, torch.tensor(masks * count))
    return [part.view(count, len(masks), *part.shape[1:]) for part in (drawn.logits, drawn.ious)]


def assert_equal(both: Pair, side: int, kind: str, *, several: bool) -> None:
    network, model = both
    assert model.mask_decoder.dynamic_multimask_stability_delta == DELTA
    assert model.mask_decoder.dynamic_multimask_stability_thresh == STABLE
    pixels = noise(1, 3, side, side)
    if kind == "points":
        coords, labels = POINTS[:, None], torch.full((len(POINTS), 1), Label.FOREGROUND)
        given = {"input_points": coords[None], "input_labels": labels[None].int()}
    else:
        coords = BOXES.view(-1, 2, 2)
        labels = torch.tensor([[Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT]]).repeat(len(BOXES), 1)
        given = {"input_boxes": BOXES[None]}
    logits, ious = answers(network, pixels, coords, labels, [1, 2, 3] if several else [0])
    expected = model(pixel_values=pixels, multimask_output=several, **given)
    scale = float(expected.pred_masks.abs().max())
    torch.testing.assert_close(logits, expected.pred_masks[0], atol=3e-5 * scale, rtol=0.0)
    torch.testing.assert_close(ious, expected.iou_scores[0], atol=2e-5, rtol=0.0)


@torch.inference_mode()
@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("kind", ["points", "boxes"])
def test_masks_and_scores_equal_those_of_transformers(tiny: Pair, kind: str, several: bool) -> None:
    assert_equal(tiny, SIDE, kind, several=several)


@pytest.mark.heavy
@pytest.mark.timeout(1800)
@torch.inference_mode()
def test_masks_of_the_full_size_equal_those_of_transformers() -> None:
    """It takes 8 GB of memory and some minutes."""
    record = get_variant("sam3_tracker")
    assert_equal(pair(record.architecture, record.input_size), record.input_size, "points", several=True)


def official_state(network: SamNetwork) -> dict[str, Tensor]:
    """Return the network's tensors under the keys of `sam3.pt`, with some that no image path reads."""
    trunk = "detector.backbone.vision_backbone.trunk."
    state = {
        f"{trunk}blocks.0.attn.freqs_cis": torch.zeros(16, 8, dtype=torch.complex64),
        "detector.backbone.vision_backbone.convs.0.conv_1x1.weight": torch.zeros(1),
        "detector.backbone.vision_backbone.sam2_convs.3.conv_1x1.weight": torch.zeros(1),
        "detector.transformer.decoder.layers.0.norm1.weight": torch.zeros(1),
        "tracker.maskmem_backbone.fuser.layers.0.gamma": torch.zeros(1),
        "tracker.no_mem_pos_enc": torch.zeros(1),
    }
    for key, value in network.state_dict().items():
        name = key.replace(".lin1.", ".layers.0.").replace(".lin2.", ".layers.1.")
        if key.startswith(("image_encoder.trunk.", "image_encoder.sam2_convs.")):
            name = "detector.backbone.vision_backbone." + key.removeprefix("image_encoder.")
        elif key.startswith("image_encoder.conv_s"):
            name = "tracker.sam_mask_decoder." + key.removeprefix("image_encoder.")
        elif key.startswith("image_encoder."):
            name = "tracker." + key.removeprefix("image_encoder.")
        else:
            name = f"tracker.sam_{name}"
        state[name] = value
    return state


def test_the_official_layout_gives_the_same_network(tiny: Pair) -> None:
    network, _ = tiny
    other = build_network(record_of(TINY, SIDE))
    other.load_published(official_state(network))
    for key, value in network.state_dict().items():
        assert torch.equal(other.state_dict()[key], value), key
