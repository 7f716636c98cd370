"""SAM 2's single-mask output of the folded decoder against the plain rule on all four masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fixtures.models.decoder_heads import KINDS, draw_all, pair, prompts
from reference.plain_sam2 import single_answers
from samfleet_models.decoder import dynamic_multimask
from samfleet_models.decoder.dynamic_multimask import DynamicSingle, stability
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.heads import SAM2

KIND = KINDS["sam2"]
COUNT = 9


@pytest.fixture
def decoder() -> DynamicSingle:
    prompt_encoder, mask_decoder, _ = pair(KIND, 8)
    folded = SAM2.fold(prompt_encoder, mask_decoder, torch.float32, "ieee")
    assert isinstance(folded, DynamicSingle)
    return folded


def plane(*values: float) -> Tensor:
    return torch.tensor(values).view(1, 1, -1)


def test_stability_is_the_share_of_pixels_above_the_higher_threshold() -> None:
    assert stability(plane(1, 0.2, 0, -0.04, -1)).item() == 0.5
    assert stability(plane(0.05, -0.05)).item() == 0
    assert stability(plane(-0.05, -3)).item() == 1


@torch.inference_mode()
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_unstable_single_masks_are_replaced_by_the_best_other_mask(
    decoder: DynamicSingle, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt_encoder, mask_decoder, _ = pair(KIND, 8)
    inner = FoldedDecoder(prompt_encoder, mask_decoder, precision)
    decoder, (coords, labels) = DynamicSingle(inner), prompts(8, COUNT, 2)
    logits, ious = draw_all(inner, KIND.features(8), coords, labels, KIND.masks)
    middle = float(stability(logits[:, 0]).median())  # some prompts fall back and some do not
    monkeypatch.setattr(dynamic_multimask, "STABLE", middle)
    monkeypatch.setattr("reference.plain_sam2.STABLE", middle)
    expected, expected_ious = single_answers(logits, ious)
    scored = decoder.score(decoder.prepare(KIND.features(8)), coords, labels)
    drawn = decoder.draw(scored, torch.arange(COUNT), torch.zeros(COUNT, dtype=torch.int64))
    fallen = (expected != logits[:, 0]).flatten(1).any(1)
    assert 0 < fallen.sum() < COUNT
    tolerance = 1e-4 if precision == torch.float32 else 0.05
    torch.testing.assert_close(drawn.logits, expected, atol=tolerance, rtol=0)
    torch.testing.assert_close(drawn.ious, expected_ious, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_multimask_results_are_unchanged(decoder: DynamicSingle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic_multimask, "STABLE", 2.0)  # no mask 0 is stable
    coords, labels = prompts(8, COUNT, 2)
    logits, ious = draw_all(decoder.inner, KIND.features(8), coords, labels, KIND.masks)
    scored = decoder.score(decoder.prepare(KIND.features(8)), coords, labels)
    rows, masks = torch.tensor([0, 0, 0, 1, 2, 2, 8]), torch.tensor([1, 2, 3, 0, 0, 2, 1])
    best = ious[:, 1:].argmax(1) + 1
    wanted = torch.where(masks == 0, best[rows], masks)
    drawn = decoder.draw(scored, rows, masks)
    torch.testing.assert_close(drawn.logits, logits[rows, wanted], atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn.ious, ious[rows, wanted], atol=1e-5, rtol=0)
    ambiguous = decoder.draw(scored, rows[:3], masks[:3])
    torch.testing.assert_close(ambiguous.logits, logits[0, 1:], atol=1e-4, rtol=0)
    nothing = torch.zeros(0, dtype=torch.int64)
    assert decoder.draw(scored, nothing, nothing).logits.shape == (0, 32, 32)
