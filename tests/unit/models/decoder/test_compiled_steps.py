"""The compiled steps on tokens against torch's operators, for any number of tokens and prompts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from fixtures.models.decoder_heads import KINDS, pair
from fixtures.models.kernels import bfloat16_kernels, kernels
from samfleet_kernels.library import Kernels, chosen_for_bfloat16
from samfleet_models.decoder.compiled_steps import CompiledSteps
from samfleet_models.decoder.factors import CHANNELS
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.token_matrices import TokenMatrices
from samfleet_models.decoder.token_rows import DifferenceRows, MeanRows
from samfleet_models.decoder.token_steps import TokenSteps, TorchSteps
from samfleet_models.decoder.two_way_pass import FINAL, SECOND
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.modeling.mask_decoder import MaskDecoder
from samfleet_models.modeling.transformer import DIM, HEADS

__all__ = ["bfloat16_kernels", "kernels"]

TOLERANCE = 1e-5  # of the largest number of a result
# One token is all of a head: no row but the constants. 140 tokens are more rows than a group of prompts has.
EDGES = [(1, 1), (1, 5), (2, 3), (7, 40), (140, 2)]
RANDOM = random.Random(59)
SIZES = EDGES + [(RANDOM.randint(3, 40), RANDOM.randint(1, 30)) for _ in range(3)]


@pytest.fixture(scope="module", params=["sam", "efficient"])
def head(request: pytest.FixtureRequest) -> MaskDecoder:
    """A mask decoder with random parameters; EfficientSAM's attends in other ways and has GELUs."""
    _, mask_decoder, _ = pair(KINDS[request.param], 8)
    assert isinstance(mask_decoder, MaskDecoder)
    return mask_decoder


@dataclass(frozen=True)
class Inputs:
    """Random tokens and positions [P, T, 256], and numbers by head [P, H, T, 16]."""

    tokens: Tensor
    positions: Tensor
    queries: Tensor
    early: Tensor
    late: Tensor

    @classmethod
    def of(cls, tokens: int, prompts: int) -> Inputs:
        generator = torch.Generator().manual_seed(1000 * tokens + prompts)
        wide = [torch.randn(prompts, tokens, DIM, generator=generator) for _ in range(2)]
        return cls(*wide, *(torch.randn(prompts, HEADS, tokens, CHANNELS, generator=generator) for _ in range(3)))

    def results(self, steps: TokenSteps) -> Iterator[tuple[str, Tensor]]:
        """Yield the name and the result of every step."""
        for layer in range(2):
            yield "attend", steps.attend_to_each_other(layer, self.tokens, self.positions)
            yield from zip(
                ("keys", "operands"), steps.keys_and_operands(layer, self.tokens, self.positions), strict=True
            )
            yield "update", steps.update(layer, self.tokens, self.queries)
        for attention in range(3):
            yield "queries", steps.queries(attention, self.tokens, self.positions)
        yield "finish", steps.finish(self.tokens, self.queries)
        for attention, operands in ((SECOND, self.early), (FINAL, torch.cat([self.early, self.late], 1))):
            rows = steps.rows(operands)
            against = steps.against(attention, self.queries, rows)
            yield "formed", steps.formed(rows) if attention == FINAL else self.tokens
            yield "against", against
            yield "squares", steps.squares(rows).triu()
            yield "gather", steps.gather(attention, torch.sin(against), rows, self.late.clone())
            if attention == SECOND:
                yield "late_against", steps.late_against(self.queries, rows)


@torch.inference_mode()
@pytest.mark.parametrize(("tokens", "prompts"), SIZES)
def test_every_step_equals_that_of_torch(head: MaskDecoder, kernels: Kernels, tokens: int, prompts: int) -> None:
    weights = FoldedWeights.of(head, torch.float32)
    compiled = CompiledSteps(TokenMatrices.of(head.transformer, weights, kernels), Workspace(torch.device("cpu")))
    torch_steps = TorchSteps(head.transformer, weights, DifferenceRows.of(weights))
    inputs = Inputs.of(tokens, prompts)
    for (name, found), (_, expected) in zip(inputs.results(compiled), inputs.results(torch_steps), strict=True):
        tolerance = TOLERANCE * max(expected.abs().max().item(), 1e-3)
        torch.testing.assert_close(found, expected, atol=tolerance, rtol=0, msg=name)


@torch.inference_mode()
@pytest.mark.usefixtures("bfloat16_kernels")
def test_steps_beside_products_in_bf16_are_in_float32_and_have_rows_with_the_mean(head: MaskDecoder) -> None:
    kernels = chosen_for_bfloat16()
    assert kernels is not None
    weights = FoldedWeights.of(head, torch.float32)
    compiled = CompiledSteps(TokenMatrices.of(head.transformer, weights, kernels), Workspace(torch.device("cpu")))
    torch_steps = TorchSteps(head.transformer, weights, MeanRows.of(weights))
    inputs = Inputs.of(7, 3)
    for (name, found), (_, expected) in zip(inputs.results(compiled), inputs.results(torch_steps), strict=True):
        torch.testing.assert_close(found, expected, atol=TOLERANCE * expected.abs().max().item(), rtol=0, msg=name)
