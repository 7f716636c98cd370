"""The drawing of the GPU kernels against torch's operators, in Triton's interpreter on the CPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("triton", exc_type=ImportError)

import torch
from torch import Tensor

from fixtures.models.drawing_case import DrawingCase
from fixtures.models.kernels import decoder
from fixtures.models.tiny_variant import tiny
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.mask_logits import PlainDrawing
from samfleet_models.decoder.output_upscaling import ChannelNorm, PromptNorm
from samfleet_models.decoder.triton_drawing import TritonDrawing
from samfleet_models.gpu_kernels.launch import Launcher
from samfleet_models.modeling.mask_decoder import MaskDecoder

__all__ = ["decoder", "tiny"]

TOLERANCE = 1e-5  # in float32, relative to the largest logit, as for the CPU kernel
# Of torch's error in the same type; the interpreter truncates to bfloat16, where a GPU rounds.
HALVES = {torch.bfloat16: 2.2, torch.float16: 1.2}


def both(case: DrawingCase) -> tuple[Tensor, Tensor]:
    fused = TritonDrawing.of(case.weights.up_scaling, Launcher("ieee", 1))
    assert fused is not None
    return case.drawn(fused, case.factors), case.drawn(PlainDrawing(case.weights.up_scaling), case.factors)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("side", "tokens", "counts", "skips"),
    [(4, 7, [3], False), (1, 1, [1], True), (5, 8, [4, 1], True), (3, 13, [1, 3, 2], False), (6, 45, [9], True)],
)
def test_logits_equal_those_of_torch(
    decoder: MaskDecoder, side: int, tokens: int, counts: list[int], skips: bool
) -> None:
    found, expected = both(DrawingCase(decoder, side, tokens, counts, skips=skips))
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("strength", [1e-12, 1e3, 1e12])
def test_extreme_numbers_are_activated_like_those_of_torch(decoder: MaskDecoder, strength: float) -> None:
    case = DrawingCase(decoder, 3, 7, [2], skips=False)
    case.factors.image.mul_(strength)
    found, expected = both(case)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("dtype", HALVES)
def test_halves_are_as_close_to_float32_as_those_of_torch(decoder: MaskDecoder, dtype: torch.dtype) -> None:
    found, expected = both(DrawingCase(decoder, 5, 7, [3, 1], skips=True, drawing=dtype))
    exact = both(DrawingCase(decoder, 5, 7, [3, 1], skips=True))[1]
    assert found.dtype == dtype
    assert (found.float() - exact).norm() <= HALVES[dtype] * (expected.float() - exact).norm()


@torch.inference_mode()
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, in the interpreter
def test_numbers_that_are_not_finite_reach_the_pixels_of_their_token_only(decoder: MaskDecoder) -> None:
    case = DrawingCase(decoder, 5, 7, [2], skips=False)
    case.factors.image[0, 5, 5 * 3 + 4] = torch.nan
    found, _ = both(case)
    assert not found[:, 12:16, 16:20].isfinite().any()
    found[:, 12:16, 16:20] = 0
    assert found.isfinite().all()


def test_a_norm_over_all_pixels_is_left_to_torch(decoder: MaskDecoder) -> None:
    up_scaling = FoldedWeights.of(decoder, torch.float32).up_scaling
    assert isinstance(up_scaling.norm, ChannelNorm)
    norm = PromptNorm(up_scaling.norm.weight, up_scaling.norm.bias, 1e-6)
    assert TritonDrawing.of(replace(up_scaling, norm=norm), Launcher("ieee", 1)) is None
