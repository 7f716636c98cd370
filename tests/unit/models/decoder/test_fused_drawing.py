"""The compiled drawing against torch's operators, for any number of tokens, image tokens and masks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fixtures.models.drawing_case import DrawingCase
from fixtures.models.kernels import decoder, kernels
from fixtures.models.tiny_variant import tiny
from samfleet_kernels.library import Kernels
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.fused_drawing import FusedDrawing
from samfleet_models.decoder.mask_logits import PlainDrawing
from samfleet_models.decoder.output_upscaling import ChannelNorm, PromptNorm
from samfleet_models.modeling.mask_decoder import MaskDecoder

__all__ = ["decoder", "kernels", "tiny"]

TOLERANCE = 1e-5  # relative to the largest logit


def both(case: DrawingCase, kernels: Kernels) -> tuple[Tensor, Tensor]:
    fused = FusedDrawing.of(case.weights, kernels)
    assert fused is not None
    return case.drawn(fused, case.by_tile), case.drawn(PlainDrawing(case.weights.up_scaling), case.factors)


@torch.inference_mode()
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(
    ("side", "tokens", "counts"),
    [(8, 7, [3]), (1, 1, [1]), (5, 8, [4, 1]), (11, 13, [1, 3, 2]), (16, 45, [9]), (20, 7, [2])],
)
def test_logits_equal_those_of_torch(
    decoder: MaskDecoder, kernels: Kernels, side: int, tokens: int, counts: list[int], skips: bool
) -> None:
    found, expected = both(DrawingCase(decoder, side, tokens, counts, skips=skips), kernels)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("strength", [1e-12, 1e-3, 1e3, 1e12])
def test_extreme_numbers_are_activated_like_those_of_torch(
    decoder: MaskDecoder, kernels: Kernels, strength: float
) -> None:
    case = DrawingCase(decoder, 9, 7, [2], skips=False)
    case.factors.image.mul_(strength)
    found, expected = both(case, kernels)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
def test_numbers_that_are_not_finite_reach_the_pixels_of_their_token_only(
    decoder: MaskDecoder, kernels: Kernels
) -> None:
    case = DrawingCase(decoder, 9, 7, [2], skips=False)
    case.factors.image[0, 5, 9 * 3 + 4] = torch.nan
    found, _ = both(case, kernels)
    assert not found[:, 12:16, 16:20].isfinite().any()
    found[:, 12:16, 16:20] = 0
    assert found.isfinite().all()


def test_a_norm_over_all_pixels_is_left_to_torch(decoder: MaskDecoder, kernels: Kernels) -> None:
    weights = FoldedWeights.of(decoder, torch.float32)
    up_scaling = weights.up_scaling
    assert isinstance(up_scaling.norm, ChannelNorm)
    norm = PromptNorm(up_scaling.norm.weight, up_scaling.norm.bias, 1e-6)
    assert FusedDrawing.of(replace(weights, up_scaling=replace(up_scaling, norm=norm)), kernels) is None
