"""Ranking of masks by stability, on a tiny network of random weights whose logits are far from zero."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.images.encoded_images import bright_square
from fixtures.models.tiny_variant import tiny
from samfleet.masks.record import MaskRecord
from samfleet.variants.conventions import Conventions, MaskRules
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters, TaskParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_models.checkpoints.loading import file_sha256, read_state
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.stability_ranking import StabilityRanked
from samfleet_models.networks.registry import build_network
from samfleet_models.serving.engine import Engine, EngineSettings

__all__ = ["tiny"]

SIDE, COUNT = 128, 5
BY_STABILITY = Conventions(masks=MaskRules(ranked_by="stability"))
POINT = Prompt(points=((20, 15),), labels=(1,), multimask=True)


@pytest.fixture
def ranked(tiny: tuple[VariantRecord, Path], tmp_path: Path) -> tuple[VariantRecord, Path]:
    """The tiny variant with other weights and ranking by stability."""
    generator = torch.Generator().manual_seed(1)
    state = {
        key: value + 0.1 * torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in read_state(tiny[1]).items()
    }
    path = tmp_path / "ranked.pt"
    torch.save(state, path)
    checkpoint = replace(tiny[0].checkpoint, filename=path.name, sha256=file_sha256(path))
    return replace(tiny[0], name="ranked", checkpoint=checkpoint, conventions=BY_STABILITY), path


def stability_of(logits: Tensor) -> Tensor:
    """Return the stability of [..., h, w] as [...]: the surely inside pixels divided by the possibly inside ones."""
    inside, possible = ((logits > threshold).sum((-2, -1)) for threshold in (1.0, -1.0))
    return inside / possible.clamp(min=1)


@torch.inference_mode()
def test_scores_are_those_of_the_drawn_masks(ranked: tuple[VariantRecord, Path]) -> None:
    record, path = ranked
    network = build_network(record)
    network.load_published(read_state(path))
    plain = FoldedDecoder(network.prompt_encoder, network.mask_decoder)
    decoder = network.decoder
    assert isinstance(decoder, StabilityRanked)
    assert decoder.lanes == plain.lanes
    generator = torch.Generator().manual_seed(2)
    embedding = torch.randn(1, 256, SIDE // 16, SIDE // 16, generator=generator)
    coords, labels = SIDE * torch.rand(COUNT, 2, 2, generator=generator), torch.ones(COUNT, 2, dtype=torch.int64)
    scored = decoder.score(decoder.prepare((embedding,)), coords, labels)
    rows, masks = torch.tensor([0, 2, 2, 4]), torch.tensor([3, 0, 1, 2])
    drawn = decoder.draw(scored, rows, masks)
    whole = plain.score(plain.prepare((embedding,)), coords, labels)
    expected = plain.draw(whole, rows, masks).logits
    torch.testing.assert_close(drawn.logits, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn.ious, stability_of(drawn.logits), atol=1e-6, rtol=0)
    torch.testing.assert_close(scored.ious[rows, masks], drawn.ious, atol=0, rtol=0)
    assert scored.ious.shape == whole.ious.shape
    assert 0 < float(scored.ious.min()) < float(scored.ious.max()) < 1


def test_the_most_stable_mask_is_returned_and_grids_keep_the_stable_ones(ranked: tuple[VariantRecord, Path]) -> None:
    engine = Engine(*ranked, EngineSettings(device="cpu"))
    every = answers(engine, PromptsParameters(masks="all"), POINT)
    (best,) = answers(engine, PromptsParameters(masks="best"), POINT)
    scores = sorted(mask.predicted_iou for mask in every)
    assert best.predicted_iou == scores[-1]
    grid = EverythingParameters(points_per_side=3, pred_iou_thresh=-1.0, stability_score_thresh=0.0, box_nms_thresh=1.0)
    all_of_them = sorted(mask.predicted_iou for mask in answers(engine, grid))
    least = all_of_them[len(all_of_them) // 2]
    kept = answers(engine, replace(grid, pred_iou_thresh=least))
    assert sorted(mask.predicted_iou for mask in kept) == [score for score in all_of_them if score > least]
    engine.close()


def answers(engine: Engine, task: TaskParameters, *prompts: Prompt) -> tuple[MaskRecord, ...]:
    ((_, reply),) = engine.segment([SegmentRequest(bright_square(40, 30), task, prompts)])
    assert reply.report.error_code is None
    return tuple(reply.masks)
