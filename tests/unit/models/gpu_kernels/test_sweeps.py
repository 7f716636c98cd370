"""The sweeps of the GPU kernels against torch's operators, in Triton's interpreter on the CPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("triton", exc_type=ImportError)

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fixtures.models.kernels import contexts_of, decoder
from fixtures.models.tiny_variant import tiny
from samfleet_models.decoder.factors import Factors
from samfleet_models.decoder.folded_weights import FoldedWeights
from samfleet_models.decoder.tables import ByHead
from samfleet_models.decoder.triton_pass import TritonPass
from samfleet_models.decoder.two_way_pass import TwoWayPass
from samfleet_models.decoder.workspace import Workspace
from samfleet_models.gpu_kernels import tuning
from samfleet_models.gpu_kernels.launch import Launcher
from samfleet_models.gpu_kernels.limits import LARGEST_TOKENS, Blocks
from samfleet_models.gpu_kernels.tuning import Tuning
from samfleet_models.modeling.mask_decoder import MaskDecoder
from samfleet_models.modeling.transformer import DIM, HEADS

__all__ = ["decoder", "tiny"]

TOLERANCE = 2e-4  # in float32, relative to the largest number of a result, as for the CPU kernels
CPU = torch.device("cpu")
# Of torch's error in the same type; the interpreter truncates to bfloat16, where a GPU rounds.
HALVES = {torch.bfloat16: 2.2, torch.float16: 1.2}
Results = tuple[Tensor, Tensor, Tensor, Tensor]


class Case:
    """Random prompts on two images."""

    def __init__(self, decoder: MaskDecoder, tokens: int, prompts: int, pixels: int, strength: float = 1) -> None:
        generator = torch.Generator().manual_seed(tokens + 100 * prompts + 1000 * pixels)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        self.decoder = decoder
        self.weights = FoldedWeights.of(decoder, torch.float32)
        self.positions = random(pixels, DIM)
        self.images = [strength * random(pixels, DIM) for _ in range(2)]
        self.prompt = strength * random(prompts, tokens, DIM)
        self.first_image = (prompts + 1) // 2  # prompts on it

    @torch.inference_mode()
    def passed(self, launcher: Launcher | None, scoring: torch.dtype = torch.float32) -> Results:
        """Return final tokens and factors, by the kernels or, without a launcher, by torch."""
        one, other = contexts_of(self.weights, self.images, self.positions, ByHead(scoring), scoring)
        prompts, tokens, _ = self.prompt.shape
        contexts = [one] * self.first_image + [other] * (prompts - self.first_image)
        pixels = one.size
        factors = Factors.taken(Workspace(CPU), prompts, HEADS * tokens, pixels, scoring)
        factors.image.fill_(torch.nan)
        factors.scale.fill_(torch.nan)
        transformer = self.decoder.transformer
        if launcher is None:
            part: TwoWayPass | TritonPass = TwoWayPass(transformer, self.weights, contexts, Workspace(CPU), 64)
        else:
            part = TritonPass(transformer, self.weights, contexts, Workspace(CPU), launcher)
        final = part.run(self.prompt, factors)
        return final, factors.image.float(), factors.scale, factors.tokens


def assert_close(found: Results, expected: Results, tolerance: float = TOLERANCE) -> None:
    for own, other in zip(found, expected, strict=True):
        assert own.isfinite().all()
        torch.testing.assert_close(own, other, atol=tolerance * other.abs().max().item(), rtol=0)


@pytest.mark.parametrize(
    ("tokens", "prompts", "pixels", "strength"),
    [(7, 2, 64, 1), (1, 1, 1, 1), (8, 1, 33, 3), (LARGEST_TOKENS, 1, 30, 1), (9, 1, 40, 10), (7, 2, 31, 30)],
)
def test_tokens_and_factors_equal_those_of_torch(
    decoder: MaskDecoder, tokens: int, prompts: int, pixels: int, strength: float
) -> None:
    case = Case(decoder, tokens, prompts, pixels, strength)
    assert_close(case.passed(Launcher("ieee", 1)), case.passed(None))


@settings(max_examples=4, derandomize=True, deadline=None, database=None)
@given(
    tokens=st.integers(1, 10),
    prompts=st.integers(1, 3),
    pixels=st.integers(1, 100),
    processors=st.integers(1, 8),
)
def test_any_number_of_tokens_prompts_pixels_and_programs(
    decoder: MaskDecoder, tokens: int, prompts: int, pixels: int, processors: int
) -> None:
    case = Case(decoder, tokens, prompts, pixels)
    assert_close(case.passed(Launcher("ieee", processors)), case.passed(None))


@pytest.mark.parametrize("scoring", HALVES)
def test_halves_are_as_close_to_float32_as_those_of_torch(decoder: MaskDecoder, scoring: torch.dtype) -> None:
    case = Case(decoder, 7, 2, 70)
    exact = case.passed(None)
    found, expected = case.passed(Launcher("ieee", 2), scoring), case.passed(None, scoring)
    for own, other, true in zip(found, expected, exact, strict=True):
        assert error(own, true) <= HALVES[scoring] * error(other, true) + 1e-6


def error(found: Tensor, exact: Tensor) -> float:
    """Return the root mean square of the differences, as a share of that of `exact`."""
    return float((found - exact).norm() / exact.norm())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, in the interpreter
def test_numbers_that_are_not_finite_reach_the_result_of_their_prompt(decoder: MaskDecoder) -> None:
    case = Case(decoder, 7, 3, 70)
    case.prompt[1, 3, 5] = torch.nan
    final, image, scale, _ = case.passed(Launcher("ieee", 4))
    for result in (final, image, scale):
        assert [bool(rows.isfinite().all()) for rows in result] == [True, False, True]
    assert final[1].isnan().all()


def test_measuring_blocks_leaves_the_results_as_they_are(
    decoder: MaskDecoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "REPEATS", 1)
    candidates = Blocks.candidates(7, 4)[1:3]
    monkeypatch.setattr(Blocks, "candidates", lambda *_: candidates)
    case = Case(decoder, 7, 1, 20)
    durations = itertools.count(100, -1)

    def milliseconds(work: Callable[[], object]) -> float:
        work()
        return next(durations)  # the last candidate is the fastest

    tuned = Launcher("tf32", 1, tuning=Tuning(tmp_path, {}, milliseconds))  # the interpreter computes TF32 in float32
    assert_close(case.passed(tuned), case.passed(None))
    chosen = list(tuned.tuning.choices().values()) if tuned.tuning else []
    assert chosen == 3 * [asdict(candidates[-1])]
