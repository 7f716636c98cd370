"""The folded decoder in bf16 and fp16 against the same decoder in float32, on random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.devices import CPU, device
from fixtures.models.tiny_variant import tiny
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import load_state, read_state
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.numerics import Types
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork

__all__ = ["device", "tiny"]

SIDE = 128
COUNT = 9
TOLERANCE = {torch.bfloat16: 0.03, torch.float16: 0.004}  # of the largest logit; 8 and 11 bits of mantissa


@pytest.fixture
def network(tiny: tuple[VariantRecord, Path]) -> SamNetwork:
    network = build_network(tiny[0])
    load_state(network, read_state(tiny[1]))
    return network


def answers(network: SamNetwork, precision: torch.dtype, device: torch.device = CPU) -> tuple[Tensor, Tensor]:
    """Return IoUs and logits on the host."""
    network.to(device)
    decoder = FoldedDecoder(network.prompt_encoder, network.mask_decoder, precision)
    generator = torch.Generator().manual_seed(3)
    embedding = torch.randn(1, 256, SIDE // 16, SIDE // 16, generator=generator)
    coords, labels = SIDE * torch.rand(COUNT, 3, 2, generator=generator), torch.ones(COUNT, 3, dtype=torch.int64)
    scored = decoder.score(decoder.prepare((embedding.to(device),)), coords, labels)
    rows = torch.arange(COUNT).repeat_interleave(4)
    return scored.ious, decoder.draw(scored, rows, torch.arange(4).repeat(COUNT)).logits.cpu()


@torch.inference_mode()
@pytest.mark.parametrize("precision", list(TOLERANCE))
def test_a_cpu_rounds_only_the_drawing(network: SamNetwork, precision: torch.dtype) -> None:
    expected_ious, expected = answers(network, torch.float32)
    ious, logits = answers(network, precision)
    assert torch.equal(ious, expected_ious)
    assert logits.dtype == precision
    assert not torch.equal(logits.float(), expected)
    allowed = TOLERANCE[precision] * float(expected.abs().max())
    torch.testing.assert_close(logits.float(), expected, atol=allowed, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("precision", list(TOLERANCE))
def test_scores_and_logits_stay_close_when_scoring_is_rounded_too(
    network: SamNetwork, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected_ious, expected = answers(network, torch.float32)
    monkeypatch.setattr(Types, "of", lambda precision, _: Types(precision, precision))  # as on a GPU
    ious, logits = answers(network, precision)
    assert ious.dtype == torch.float32
    allowed = TOLERANCE[precision] * float(expected.abs().max())
    torch.testing.assert_close(logits.float(), expected, atol=allowed, rtol=0)
    torch.testing.assert_close(ious, expected_ious, atol=TOLERANCE[precision], rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("precision", [torch.float32, *TOLERANCE])
def test_a_device_agrees_with_the_cpu_in_fp32(
    network: SamNetwork, precision: torch.dtype, device: torch.device
) -> None:
    expected_ious, expected = answers(network, torch.float32)
    ious, logits = answers(network, precision, device)
    assert logits.dtype == precision
    allowed = TOLERANCE.get(precision, 1e-4)
    torch.testing.assert_close(logits.float(), expected, atol=allowed * float(expected.abs().max()), rtol=0)
    torch.testing.assert_close(ious, expected_ious, atol=allowed, rtol=0)


@torch.inference_mode()
def test_updates_with_squares_beyond_float16_are_scored(network: SamNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variance of a LayerNorm is a mean over 256 channels; its sum exceeds 65504 here."""
    for block in network.mask_decoder.transformer.blocks:
        block.cross_attn_image_to_token.out_proj.weight.mul_(500)
    expected, _ = answers(network, torch.float32)
    monkeypatch.setattr(Types, "of", lambda precision, _: Types(precision, precision))
    ious, logits = answers(network, torch.float16)
    assert logits.isfinite().all()
    torch.testing.assert_close(ious, expected, atol=TOLERANCE[torch.float16], rtol=0)


def test_a_gpu_rounds_scoring_and_drawing() -> None:
    half, device = torch.float16, torch.device("cuda", 0)
    assert Types.of(half, device) == Types(half, half)
    assert Types.of(torch.float32, device) == Types()
