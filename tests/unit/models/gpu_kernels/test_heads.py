"""Decoder heads of every family with the GPU kernels against their plain forms, in Triton's interpreter on the CPU."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("triton", exc_type=ImportError)

import torch

from fixtures.models.decoder_heads import KINDS, draw_all, pair, prompts
from samfleet.variants.execution import Products
from samfleet_kernels.library import torch_only
from samfleet_models.decoder import folded
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.gpu_kernels import launch
from samfleet_models.gpu_kernels.launch import Launcher
from samfleet_models.gpu_kernels.limits import LARGEST_TOKENS

TOLERANCE = 1e-4  # of the largest logit, float32
SIDE = 5


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Decoders made during the test use the kernels; the names of those that ran."""
    names: set[str] = set()

    def spied(name: str) -> None:
        method = getattr(launch.Launcher, name)

        def run(self: Launcher, *args: Any) -> None:
            names.add(name)
            method(self, *args)

        monkeypatch.setattr(launch.Launcher, name, run)

    for name in ("first", "second", "third", "draw"):
        spied(name)
    monkeypatch.setattr(folded, "_launcher", lambda _device, products: Launcher(products, 2))
    return names


@torch.inference_mode()
@pytest.mark.parametrize("name", KINDS)
def test_masks_and_scores_equal_those_of_the_plain_heads(name: str, launched: set[str]) -> None:
    kind = KINDS[name]
    prompt_encoder, mask_decoder, plain = pair(kind, SIDE)
    expected, expected_ious = plain(kind.features(SIDE), *prompts(SIDE, 2, 1))
    with torch_only():
        decoder = FoldedDecoder(prompt_encoder, mask_decoder)
    logits, ious = draw_all(decoder, kind.features(SIDE), *prompts(SIDE, 2, 1), kind.masks)
    torch.testing.assert_close(logits, expected, atol=TOLERANCE * float(expected.abs().max()), rtol=0)
    torch.testing.assert_close(ious, expected_ious, atol=TOLERANCE * float(expected_ious.abs().max()), rtol=0)
    assert launched >= {"first", "second", "third"}
    assert ("draw" in launched) == (name not in {"efficient", "hq"})  # other norms and finer features


@pytest.mark.parametrize(
    ("shared_kb", "scored", "drawn"), [(163, {1, 8, 9, 16}, True), (99, {1, 8}, False), (48, {1}, False)]
)
def test_a_device_with_less_shared_memory_takes_fewer_tokens(shared_kb: int, scored: set[int], drawn: bool) -> None:
    launcher = Launcher("tf32", 1, 1024 * shared_kb)
    assert {tokens for tokens in (1, 8, 9, 16, 17) if launcher.scores(tokens, torch.float32)} == scored
    assert launcher.draws(torch.float32) == drawn
    assert launcher.draws(torch.bfloat16) == (shared_kb >= 96)


@pytest.mark.parametrize("products", ["ieee", "tf32", "tf32x3"])
def test_the_kernels_round_operands_as_the_execution_says(products: Products, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folded, "gpu_kernels", lambda _device: "triton 3.8.0")
    monkeypatch.setattr(folded, "require_products", lambda *_: None)  # the processor here computes no TF32
    with torch_only():
        launcher = folded._launcher(torch.device("cpu"), products)
    assert launcher is not None
    assert launcher.input_precision == products


@torch.inference_mode()
def test_prompts_of_many_tokens_are_scored_by_torch(launched: set[str]) -> None:
    kind = next(iter(KINDS.values()))
    prompt_encoder, mask_decoder, plain = pair(kind, SIDE)
    expected, _ = plain(kind.features(SIDE), *prompts(SIDE, 1, LARGEST_TOKENS))
    with torch_only():
        decoder = FoldedDecoder(prompt_encoder, mask_decoder)
    logits, _ = draw_all(decoder, kind.features(SIDE), *prompts(SIDE, 1, LARGEST_TOKENS), kind.masks)
    torch.testing.assert_close(logits, expected, atol=TOLERANCE * float(expected.abs().max()), rtol=0)
    assert launched == {"draw"}
