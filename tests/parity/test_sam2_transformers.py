"""SAM 2's image path, with encoder and dynamic choice of masks, against transformers' with the same random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures.models.random_parameters import noise
from fixtures.models.tiny_families import SIDE, tiny_of
from reference.transformers_sam2 import sam2_model
from samfleet_models.checkpoints.loading import read_state
from samfleet_models.decoder.dynamic_multimask import DELTA, STABLE
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

POINTS = torch.tensor([[30.0, 40.0], [100.5, 20.25], [-6.0, 200.0], [64.0, 64.0]])
BOXES = torch.tensor([[10.0, 20.0, 90.0, 100.0], [5.0, 5.0, 5.0, 5.0], [-9.0, 0.0, 300.0, 128.0]])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[SamNetwork, Any]:
    record, path = tiny_of("sam2_1_hiera_t", tmp_path_factory.mktemp("sam2"))
    network = build_network(record)
    state = read_state(Path(path), record.checkpoint.state_key)
    network.load_published(state)
    return network, sam2_model(network.state_dict(), record.architecture, SIDE)


def asked(network: SamNetwork, pixels: Tensor, coords: Tensor, labels: Tensor, masks: list[int]) -> tuple[Tensor, ...]:
    """Return logits [P, m, h, w] and IoUs [P, m], with a padding point after each prompt, as the record specifies."""
    count = len(coords)
    coords = torch.cat([coords, torch.zeros(count, 1, 2)], dim=1)
    labels = torch.cat([labels, torch.full((count, 1), Label.PADDING)], dim=1)
    scored = network.decoder.score(network.decoder.prepare(network.encode(pixels)), coords, labels)
    rows = torch.arange(count).repeat_interleave(len(masks))
    drawn = network.decoder.draw(scored, rows, torch.tensor(masks * count))
    shape = count, len(masks)
    return drawn.logits.view(*shape, *drawn.logits.shape[1:]), drawn.ious.view(shape)


@torch.inference_mode()
@pytest.mark.parametrize("several", [True, False])
@pytest.mark.parametrize("kind", ["points", "boxes"])
def test_masks_and_scores_equal_those_of_transformers(both: tuple[SamNetwork, Any], kind: str, several: bool) -> None:
    network, model = both
    assert model.mask_decoder.dynamic_multimask_stability_delta == DELTA
    assert model.mask_decoder.dynamic_multimask_stability_thresh == STABLE
    pixels = noise(1, 3, SIDE, SIDE)
    if kind == "points":
        coords, labels = POINTS[:, None], torch.full((len(POINTS), 1), Label.FOREGROUND)
        given = {"input_points": coords[None], "input_labels": labels[None].int()}
    else:
        coords = BOXES.view(-1, 2, 2)
        labels = torch.tensor([[Label.BOX_TOP_LEFT, Label.BOX_BOTTOM_RIGHT]]).repeat(len(BOXES), 1)
        given = {"input_boxes": BOXES[None]}
    logits, ious = asked(network, pixels, coords, labels, [1, 2, 3] if several else [0])
    expected = model(pixel_values=pixels, multimask_output=several, **given)
    scale = float(expected.pred_masks.abs().max())
    torch.testing.assert_close(logits, expected.pred_masks[0], atol=2e-5 * scale, rtol=0.0)
    torch.testing.assert_close(ious, expected.iou_scores[0], atol=1e-5, rtol=0.0)
