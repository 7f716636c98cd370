"""Decoder heads of every family in the folded decoder against their plain forms, on random parameters."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fixtures.models.concurrent_prompts import work_together
from fixtures.models.decoder_heads import KINDS, Kind, draw_all, pair, prompts
from samfleet_models.decoder import folded as decoder_module
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.heads import EFFICIENT_VIT_SAM
from samfleet_models.decoder.numerics import Types
from samfleet_models.ops import onednn

TOLERANCE = 2e-5  # of the largest logit, float32
ROUNDED = {torch.bfloat16: 0.03, torch.float16: 0.004}  # of the largest logit; 8 and 11 bits of mantissa
COUNT = 5


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


def check(logits: Tensor, expected: Tensor, tolerance: float = TOLERANCE) -> None:
    torch.testing.assert_close(logits.float(), expected, atol=tolerance * float(expected.abs().max()), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("group", [1, 3, 64])
@pytest.mark.parametrize("points", [1, 2, 6])
def test_masks_and_scores_equal_those_of_the_plain_heads(
    kind: Kind, points: int, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_together(monkeypatch, group)
    prompt_encoder, mask_decoder, plain = pair(kind, 8)
    expected, expected_ious = plain(kind.features(8), *prompts(8, COUNT, points))
    decoder = FoldedDecoder(prompt_encoder, mask_decoder)
    logits, ious = draw_all(decoder, kind.features(8), *prompts(8, COUNT, points), kind.masks)
    check(logits, expected)
    check(ious, expected_ious)


@torch.inference_mode()
@pytest.mark.parametrize("size", [10, 20, 32])
def test_embeddings_may_have_any_size(kind: Kind, size: int) -> None:
    prompt_encoder, mask_decoder, plain = pair(kind, size)
    expected, _ = plain(kind.features(size), *prompts(size, 2, 2))
    decoder = FoldedDecoder(prompt_encoder, mask_decoder)
    logits, _ = draw_all(decoder, kind.features(size), *prompts(size, 2, 2), kind.masks)
    check(logits, expected)


@torch.inference_mode()
def test_prompts_of_several_images_share_a_chunk(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    work_together(monkeypatch, 2)
    prompt_encoder, mask_decoder, plain = pair(kind, 8)
    decoder = FoldedDecoder(prompt_encoder, mask_decoder)
    images = [decoder.prepare(kind.features(8, seed)) for seed in range(2)]
    coords, labels = prompts(8, COUNT, 2)
    scored = decoder.score([images[0]] * 3 + [images[1]] * 2, coords, labels)
    rows, masks = torch.tensor([0, 1, 1, 3, 4]), torch.tensor([0, 1, 3, 2, 0])
    drawn = decoder.draw(scored, rows, masks)
    for own, seed in ((slice(0, 3), 0), (slice(3, 5), 1)):
        expected, expected_ious = plain(kind.features(8, seed), coords, labels)
        check(drawn.logits[own], expected[rows[own], masks[own]])
        check(drawn.ious[own], expected_ious[rows[own], masks[own]])


@torch.inference_mode()
@pytest.mark.parametrize("everywhere", [False, True])
@pytest.mark.parametrize("precision", list(ROUNDED))
def test_half_precision_stays_close(
    kind: Kind, precision: torch.dtype, everywhere: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if everywhere:
        monkeypatch.setattr(Types, "of", lambda precision, _: Types(precision, precision))  # as on a GPU
    prompt_encoder, mask_decoder, plain = pair(kind, 8)
    expected, expected_ious = plain(kind.features(8), *prompts(8, COUNT, 2))
    decoder = FoldedDecoder(prompt_encoder, mask_decoder, precision)
    logits, ious = draw_all(decoder, kind.features(8), *prompts(8, COUNT, 2), kind.masks)
    assert logits.dtype == precision
    check(logits, expected, ROUNDED[precision])
    check(ious, expected_ious, ROUNDED[precision] if everywhere else TOLERANCE)


@torch.inference_mode()
def test_masks_are_the_same_without_onednn(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "AVAILABLE", False)
    prompt_encoder, mask_decoder, plain = pair(kind, 8)
    expected, _ = plain(kind.features(8), *prompts(8, COUNT, 2))
    decoder = FoldedDecoder(prompt_encoder, mask_decoder)
    logits, _ = draw_all(decoder, kind.features(8), *prompts(8, COUNT, 2), kind.masks)
    check(logits, expected)


@torch.inference_mode()
def test_masks_that_do_not_fit_together_are_drawn_in_parts(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    work_together(monkeypatch, 64)
    prompt_encoder, mask_decoder, _ = pair(kind, 8)
    decoder = FoldedDecoder(prompt_encoder, mask_decoder)
    logits, _ = draw_all(decoder, kind.features(8), *prompts(8, COUNT, 2), kind.masks)
    monkeypatch.setattr(decoder_module, "memory_for_chunks", lambda _: 0)
    apart, _ = draw_all(decoder, kind.features(8), *prompts(8, COUNT, 2), kind.masks)
    check(apart, logits)


def test_the_norms_of_efficientvit_have_its_epsilon() -> None:
    decoder = EFFICIENT_VIT_SAM.mask_decoder()
    norms = [module for module in decoder.modules() if isinstance(module, torch.nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-6}
    assert len(norms) == 9


def test_efficient_sam_adds_no_embedding_to_the_image() -> None:
    prompt_encoder, _, _ = pair(KINDS["efficient"], 8)
    assert not prompt_encoder.dense.any()
