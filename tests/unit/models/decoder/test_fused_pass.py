"""The compiled sweeps against torch's operators, for any number of tokens, prompts and image tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.drawn_masks import decode_all
from fixtures.models.kernels import bfloat16_kernels, contexts_of, decoder, kernels
from fixtures.models.tiny_variant import tiny
from samfleet.variants.execution import Products
from samfleet.variants.record import VariantRecord
from samfleet_kernels.library import Kernels, choose
from samfleet_models.checkpoints.loading import read_state
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.fused_pass import FusedPass
from samfleet_models.decoder.tables import ByHead, ByTile
from samfleet_models.decoder.token_matrices import TokenMatrices
from samfleet_models.decoder.token_rows import DifferenceRows
from samfleet_models.decoder.two_way_pass import TwoWayPass
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.mask_decoder import MaskDecoder
from samfleet_models.modeling.transformer import DIM, HEADS
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

__all__ = ["bfloat16_kernels", "decoder", "kernels", "tiny"]

TOLERANCE = 2e-4  # relative to the largest number of a result; logits in the hundreds amplify the rounding
BFLOAT16_TOLERANCE = 0.02  # of a result's norm
PRODUCTS: tuple[Products, Products] = ("ieee", "bf16")
CPU = torch.device("cpu")


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.isfinite().all()
    torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("tokens", "prompts", "pixels", "strength"),
    [(7, 3, 256, 1), (1, 1, 1, 1), (6, 9, 63, 1), (7, 17, 65, 3), (8, 2, 130, 10), (13, 5, 100, 1), (45, 2, 192, 30)],
)
def test_tokens_and_factors_equal_those_of_torch(
    decoder: MaskDecoder, kernels: Kernels, tokens: int, prompts: int, pixels: int, strength: float
) -> None:
    generator = torch.Generator().manual_seed(tokens)
    weights = FoldedWeights.of(decoder, torch.float32)
    matrices = TokenMatrices.of(decoder.transformer, weights, kernels)
    positions = torch.randn(pixels, DIM, generator=generator)
    images = [strength * torch.randn(pixels, DIM, generator=generator) for _ in range(2)]
    prompt = strength * torch.randn(prompts, tokens, DIM, generator=generator)
    owners = sorted(int(owner) for owner in torch.randint(0, 2, (prompts,), generator=generator))
    results = []
    for layout, by_tile in ((ByHead(), False), (ByTile(), False), (ByTile(), True)):
        contexts = contexts_of(weights, images, positions, layout)
        own = [contexts[owner] for owner in owners]
        compiled = isinstance(layout, ByTile)
        factors = Factors.taken(Workspace(CPU), prompts, HEADS * tokens, pixels, differences=compiled, by_tile=by_tile)
        if compiled:
            final = FusedPass(matrices, weights, own, Workspace(CPU)).run(prompt, factors)
        else:
            final = TwoWayPass(decoder.transformer, weights, own, Workspace(CPU), 64).run(prompt, factors)
        image = factors.image.transpose(1, 2).flatten(2)[..., :pixels] if by_tile else factors.image
        rows = DifferenceRows.of(weights)(factors.tokens) if by_tile else factors.tokens
        results.append((final, image.transpose(1, 2) @ rows, factors.scale))
    for found, expected, same in zip(results[1], results[0], results[2], strict=True):
        assert_close(found, expected)
        assert torch.equal(found, same)


@torch.inference_mode()
@pytest.mark.usefixtures("bfloat16_kernels")
@pytest.mark.parametrize(("tokens", "prompts", "strength"), [(7, 3, 1), (6, 9, 1), (8, 17, 0.1), (13, 2, 3)])
def test_products_in_bf16_stay_close_to_those_in_float32(
    tiny: tuple[VariantRecord, Path], tokens: int, prompts: int, strength: float
) -> None:
    """Scores and tokens are off by what eight bits of mantissa lose; `tokens` include the five of the decoder."""
    network = build_network(tiny[0])
    network.load_state_dict(read_state(tiny[1]))
    assert isinstance(network, SamNetwork)
    generator = torch.Generator().manual_seed(tokens)
    embedding = strength * torch.randn(1, DIM, 8, 8, generator=generator)
    coords = 128 * torch.rand(prompts, tokens - 5, 2, generator=generator)
    labels = torch.ones(prompts, tokens - 5, dtype=torch.int64)
    results = []
    for products in PRODUCTS:
        folded = FoldedDecoder(network.prompt_encoder, network.mask_decoder, products=products)
        scored = folded.score(folded.prepare((embedding,)), coords, labels)
        results.append((scored.ious, scored.tokens))
    for expected, found in zip(*results, strict=True):
        assert found.isfinite().all()
        error = (found - expected).norm() / expected.norm()
        assert 0 < error < BFLOAT16_TOLERANCE


@torch.inference_mode()
def test_scores_and_masks_of_random_prompts_equal_those_of_torch(
    tiny: tuple[VariantRecord, Path], kernels: Kernels
) -> None:
    network = build_network(tiny[0])
    network.load_state_dict(read_state(tiny[1]))
    assert isinstance(network, SamNetwork)
    embedding = torch.randn(1, DIM, 8, 8, generator=torch.Generator().manual_seed(3))
    coords = 128 * torch.rand(5, 2, 2, generator=torch.Generator().manual_seed(4))
    labels = torch.ones(5, 2, dtype=torch.int64)
    logits, ious = decode_all(network, embedding, coords, labels)
    choose("off")
    other = build_network(tiny[0])
    other.load_state_dict(read_state(tiny[1]))
    assert isinstance(other, SamNetwork)
    expected, expected_ious = decode_all(other, embedding, coords, labels)
    assert_close(logits, expected)
    assert_close(ious, expected_ious)
    assert not torch.equal(logits, expected)  # both ways ran


def test_numbers_that_are_not_finite_reach_the_result(decoder: MaskDecoder, kernels: Kernels) -> None:
    with torch.inference_mode():
        weights = FoldedWeights.of(decoder, torch.float32)
        matrices = TokenMatrices.of(decoder.transformer, weights, kernels)
        prompt = torch.randn(2, 7, DIM)
        prompt[1, 3, 5] = torch.nan
        contexts = contexts_of(weights, [torch.randn(70, DIM)], torch.randn(70, DIM), ByTile())
        factors = Factors.taken(Workspace(CPU), 2, HEADS * 7, 70, differences=True)
        final = FusedPass(matrices, weights, contexts * 2, Workspace(CPU)).run(prompt, factors)
    assert [bool(rows.isfinite().all()) for rows in final] == [True, False]
