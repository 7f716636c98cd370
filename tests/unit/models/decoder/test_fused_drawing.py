"""The compiled drawing against torch's operators, for any number of tokens, image tokens and masks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fixtures.models.decoder_heads import KINDS, pair
from fixtures.models.drawing_case import DrawingCase
from fixtures.models.kernels import bfloat16_kernels, decoder, kernels
from fixtures.models.tiny_variant import tiny
from samfleet_kernels.library import Kernels, chosen_for_bfloat16
from samfleet_models.decoder.fused_drawing import FusedDrawing
from samfleet_models.decoder.hq_mask_logits import RefinedDrawing
from samfleet_models.decoder.mask_logits import PlainDrawing
from samfleet_models.decoder.token_rows import DifferenceRows
from samfleet_models.modeling.hq_mask_decoder import RefinedMaskDecoder
from samfleet_models.modeling.mask_decoder import MaskDecoder

__all__ = ["bfloat16_kernels", "decoder", "kernels", "tiny"]

TOLERANCE = 1e-5  # relative to the largest logit
BFLOAT16_TOLERANCE = 0.01  # of the logits' norm


HEADS = ["sam", "sam2", "hq", "efficient"]


@pytest.fixture(scope="module", params=HEADS)
def head(request: pytest.FixtureRequest) -> MaskDecoder:
    """The mask decoder of a family with random parameters."""
    _, mask_decoder, _ = pair(KINDS[request.param], 8)
    assert isinstance(mask_decoder, MaskDecoder)
    return mask_decoder


def both(decoder: MaskDecoder, case: DrawingCase, kernels: Kernels) -> tuple[Tensor, Tensor]:
    """Draw a case by the kernels and by torch's operators."""
    up_scaling, plain = case.weights.up_scaling, PlainDrawing(case.weights.up_scaling)
    reference = RefinedDrawing.of(decoder, up_scaling) if isinstance(decoder, RefinedMaskDecoder) else plain
    fused = FusedDrawing.of(decoder, case.weights, kernels)
    return case.drawn(fused, case.by_tile), case.drawn(reference, case.factors)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("side", "tokens", "counts"),
    [(8, 7, [3]), (1, 1, [1]), (5, 8, [4, 1]), (11, 13, [1, 3, 2]), (16, 45, [9]), (20, 7, [2])],
)
def test_logits_equal_those_of_torch(
    head: MaskDecoder, kernels: Kernels, side: int, tokens: int, counts: list[int]
) -> None:
    case = DrawingCase(head, side, tokens, counts, skips=head.shape.object_score, rows=DifferenceRows)
    found, expected = both(head, case, kernels)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("side", [2, 67])
def test_rows_of_image_tokens_longer_and_shorter_than_a_tile_are_refined(kernels: Kernels, side: int) -> None:
    _, decoder, _ = pair(KINDS["hq"], 8)
    found, expected = both(decoder, DrawingCase(decoder, side, 6, [2], skips=False, rows=DifferenceRows), kernels)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
def test_a_norm_over_all_pixels_keeps_the_variance_of_numbers_far_from_zero(kernels: Kernels) -> None:
    """The mean is 1,000 deviations: a sum of squares in float32 would have no digit of the variance."""
    _, decoder, _ = pair(KINDS["efficient"], 8)
    case = DrawingCase(decoder, 11, 7, [2], skips=False, rows=DifferenceRows)
    far = replace(case.weights.up_scaling, first_bias=torch.full((256,), 1e4))
    case.weights = replace(case.weights, up_scaling=far)
    found, expected = both(decoder, case, kernels)
    torch.testing.assert_close(found, expected, atol=1e-3 * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
@pytest.mark.usefixtures("bfloat16_kernels")
@pytest.mark.parametrize(("side", "tokens", "counts"), [(8, 7, [3]), (1, 1, [1]), (11, 13, [1, 3, 2])])
def test_logits_with_products_in_bf16_stay_close_to_those_of_torch(
    head: MaskDecoder, side: int, tokens: int, counts: list[int]
) -> None:
    rounded = chosen_for_bfloat16()
    assert rounded is not None
    case = DrawingCase(head, side, tokens, counts, skips=head.shape.object_score, rows=DifferenceRows)
    found, expected = both(head, case, rounded)
    assert 0 < (found - expected).norm() / expected.norm() < BFLOAT16_TOLERANCE


@torch.inference_mode()
@pytest.mark.parametrize("strength", [1e-12, 1e-3, 1e3, 1e12])
def test_extreme_numbers_are_activated_like_those_of_torch(
    decoder: MaskDecoder, kernels: Kernels, strength: float
) -> None:
    case = DrawingCase(decoder, 9, 7, [2], skips=False, rows=DifferenceRows)
    case.factors.image.mul_(strength)
    found, expected = both(decoder, case, kernels)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
def test_numbers_that_are_not_finite_reach_the_pixels_of_their_token_only(
    decoder: MaskDecoder, kernels: Kernels
) -> None:
    case = DrawingCase(decoder, 9, 7, [2], skips=False, rows=DifferenceRows)
    case.factors.image[0, 5, 9 * 3 + 4] = torch.nan
    found, _ = both(decoder, case, kernels)
    assert not found[:, 12:16, 16:20].isfinite().any()
    found[:, 12:16, 16:20] = 0
    assert found.isfinite().all()
