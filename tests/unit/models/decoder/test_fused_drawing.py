"""The compiled drawing against torch's operators, for any number of tokens, image tokens and masks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fixtures.models.kernels import decoder, kernels
from fixtures.models.tiny_variant import tiny
from samfleet_kernels.library import Kernels
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.fused_drawing import FusedDrawing
from samfleet_models.decoder.image_context import ImageContext, Positions
from samfleet_models.decoder.mask_logits import Drawing, PlainDrawing
from samfleet_models.decoder.numerics import Types
from samfleet_models.decoder.output_upscaling import ChannelNorm, PromptNorm
from samfleet_models.decoder.tables import ByHead
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.mask_decoder import ImageFeatures, MaskDecoder
from samfleet_models.modeling.transformer import DIM, HEADS

__all__ = ["decoder", "kernels", "tiny"]

TOLERANCE = 1e-5  # relative to the largest logit
CPU = torch.device("cpu")


class Case:
    """Random factors of the prompts of one image, and kernels for their masks."""

    def __init__(self, decoder: MaskDecoder, side: int, tokens: int, counts: list[int], *, skips: bool) -> None:
        generator = torch.Generator().manual_seed(side)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        self.weights = FoldedWeights.of(decoder, torch.float32)
        self.features = ImageFeatures(
            random(1, DIM, side, side),
            coarse=random(1, DIM // 4, 2 * side, 2 * side) if skips else None,
            fine=random(1, DIM // 8, 4 * side, 4 * side) if skips else None,
        )
        self.positions = Positions.of(self.weights, random(side * side, DIM), ByHead())
        rows = 2 * HEADS * tokens + 1
        self.factors = Factors(
            image=random(len(counts), rows, side * side),
            tokens=random(len(counts), rows, DIM) / 4,
            scale=1 + random(len(counts), 1, side * side).abs(),
        )
        self.kernels = random(sum(counts), DIM // 8)
        self.counts = counts

    def drawn(self, drawing: Drawing) -> Tensor:
        context = ImageContext.of(
            self.weights, self.positions, self.features, torch.zeros(1, DIM), Types(), ByHead(), drawing.terms
        )
        out = torch.full((len(self.kernels), 4 * context.side, 4 * context.side), torch.nan)
        drawing.draw(context, self.factors, self.kernels, self.counts, out, Workspace(CPU))
        return out

    def both(self, kernels: Kernels) -> tuple[Tensor, Tensor]:
        fused = FusedDrawing.of(self.weights.up_scaling, kernels)
        assert fused is not None
        return self.drawn(fused), self.drawn(PlainDrawing(self.weights.up_scaling))


@torch.inference_mode()
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize(
    ("side", "tokens", "counts"),
    [(8, 7, [3]), (1, 1, [1]), (5, 8, [4, 1]), (11, 13, [1, 3, 2]), (16, 45, [9]), (20, 7, [2])],
)
def test_logits_equal_those_of_torch(
    decoder: MaskDecoder, kernels: Kernels, side: int, tokens: int, counts: list[int], skips: bool
) -> None:
    found, expected = Case(decoder, side, tokens, counts, skips=skips).both(kernels)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("strength", [1e-12, 1e-3, 1e3, 1e12])
def test_extreme_numbers_are_activated_like_those_of_torch(
    decoder: MaskDecoder, kernels: Kernels, strength: float
) -> None:
    case = Case(decoder, 9, 7, [2], skips=False)
    case.factors.image.mul_(strength)
    found, expected = case.both(kernels)
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
def test_numbers_that_are_not_finite_reach_the_pixels_of_their_token_only(
    decoder: MaskDecoder, kernels: Kernels
) -> None:
    case = Case(decoder, 9, 7, [2], skips=False)
    case.factors.image[0, 5, 9 * 3 + 4] = torch.nan
    found, _ = case.both(kernels)
    assert not found[:, 12:16, 16:20].isfinite().any()
    found[:, 12:16, 16:20] = 0
    assert found.isfinite().all()


def test_a_norm_over_all_pixels_is_left_to_torch(decoder: MaskDecoder, kernels: Kernels) -> None:
    up_scaling = FoldedWeights.of(decoder, torch.float32).up_scaling
    assert isinstance(up_scaling.norm, ChannelNorm)
    norm = PromptNorm(up_scaling.norm.weight, up_scaling.norm.bias, 1e-6)
    assert FusedDrawing.of(replace(up_scaling, norm=norm), kernels) is None
