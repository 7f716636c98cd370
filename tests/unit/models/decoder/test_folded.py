"""The folded decoder against the plain one on random weights, for every path, chunk and choice of masks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures.models.concurrent_prompts import work_together
from fixtures.models.devices import device
from fixtures.models.drawn_masks import decode_all
from fixtures.models.kernels import torch_alone
from fixtures.models.tiny_variant import tiny
from reference.plain_heads import PlainHeads
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import load_state, read_state
from samfleet_models.decoder import folded as decoder_module
from samfleet_models.decoder.folded import FoldedDecoder
from samfleet_models.decoder.mask_logits import PlainDrawing
from samfleet_models.modeling.mask_decoder import MASKS
from samfleet_models.networks.registry import build_network
from samfleet_models.networks.sam import SamNetwork
from samfleet_models.ops import onednn

__all__ = ["device", "tiny", "torch_alone"]

LOGIT_TOLERANCE = 5e-4  # absolute, float32, in logits of up to 40
SIDE = 128
COUNT = 11


@pytest.fixture
def state(tiny: tuple[VariantRecord, Path]) -> dict[str, Tensor]:
    """State of the tiny variant with gains other than 1 and biases other than 0."""
    generator = torch.Generator().manual_seed(1)
    return {
        key: value + 0.1 * torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
        for key, value in read_state(tiny[1]).items()
    }


@pytest.fixture
def network(tiny: tuple[VariantRecord, Path], state: dict[str, Tensor]) -> SamNetwork:
    network = build_network(tiny[0])
    load_state(network, state)
    return network


def prompts(points: int, count: int = COUNT) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(points)
    coords = SIDE * torch.rand(count, points, 2, generator=generator)
    return coords, torch.randint(-1, 4, (count, points), generator=generator)


def embedding_of(seed: int) -> Tensor:
    return torch.randn(1, 256, SIDE // 16, SIDE // 16, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
@pytest.mark.parametrize("group", [1, 3, 64])
@pytest.mark.parametrize("points", [1, 2, 5, 40])
def test_masks_and_scores_equal_those_of_the_plain_decoder(
    network: SamNetwork,
    state: dict[str, Tensor],
    points: int,
    group: int,
    device: torch.device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work_together(monkeypatch, group, device.type)
    expected, expected_ious = PlainHeads(state, SIDE)(embedding_of(0), *prompts(points))
    logits, ious = decode_all(network.to(device), embedding_of(0).to(device), *prompts(points))
    torch.testing.assert_close(logits.cpu(), expected, atol=LOGIT_TOLERANCE, rtol=0)
    torch.testing.assert_close(ious, expected_ious, atol=LOGIT_TOLERANCE, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("points", [0, 1, 5])
def test_masks_of_mask_prompts_equal_those_of_the_plain_decoder(
    network: SamNetwork, state: dict[str, Tensor], points: int, device: torch.device
) -> None:
    mask = 10 * torch.randn(SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(9))
    coords, labels = prompts(points, 3 if points else 1)
    expected, expected_ious = PlainHeads(state, SIDE)(embedding_of(0), coords, labels, mask)
    logits, ious = decode_all(network.to(device), embedding_of(0).to(device), coords, labels, mask)
    torch.testing.assert_close(logits.cpu(), expected, atol=LOGIT_TOLERANCE, rtol=0)
    torch.testing.assert_close(ious, expected_ious, atol=LOGIT_TOLERANCE, rtol=0)
    without, _ = decode_all(network, embedding_of(0).to(device), coords, labels)
    assert (without.cpu() - logits.cpu()).abs().max() > 100 * LOGIT_TOLERANCE


@torch.inference_mode()
@pytest.mark.parametrize("group", [1, 3, 64])
def test_prompts_of_several_images_give_the_same_results_as_alone(
    network: SamNetwork, state: dict[str, Tensor], group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_together(monkeypatch, group)
    decoder, counts = network.decoder, [4, 1, 6]
    coords, labels = prompts(3)
    images = [decoder.prepare((embedding_of(seed),)) for seed in range(len(counts))]
    contexts = [image for image, count in zip(images, counts, strict=True) for _ in range(count)]
    scored = decoder.score(contexts, coords, labels)
    logits = decoder.draw(scored, torch.arange(COUNT), torch.full((COUNT,), 2)).logits
    parts = zip(*(torch.split(whole, counts) for whole in (coords, labels, scored.ious, logits)), strict=True)
    for seed, (own_coords, own_labels, ious, masks) in enumerate(parts):
        expected, expected_ious = PlainHeads(state, SIDE)(embedding_of(seed), own_coords, own_labels)
        torch.testing.assert_close(masks, expected[:, 2], atol=LOGIT_TOLERANCE, rtol=0)
        torch.testing.assert_close(ious, expected_ious, atol=LOGIT_TOLERANCE, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("group", [1, 4])
def test_only_chosen_masks_are_drawn_in_the_given_order(
    network: SamNetwork, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_together(monkeypatch, group)
    every, ious = decode_all(network, embedding_of(0), *prompts(2))
    decoder = network.decoder
    scored = decoder.score(decoder.prepare((embedding_of(0),)), *prompts(2))
    rows, masks = torch.tensor([0, 0, 3, 7, 7, 7, 8, 10]), torch.tensor([1, 3, 0, 3, 1, 2, 2, 0])
    drawn = decoder.draw(scored, rows, masks)
    torch.testing.assert_close(drawn.logits, every[rows, masks], atol=1e-4, rtol=0)
    torch.testing.assert_close(drawn.ious, ious[rows, masks], atol=1e-4, rtol=0)
    nothing = torch.zeros(0, dtype=torch.int64)
    assert decoder.draw(scored, nothing, nothing).logits.shape == (0, SIDE // 4, SIDE // 4)


@torch.inference_mode()
def test_drawing_is_split_to_fit_the_memory(
    network: SamNetwork, torch_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_together(monkeypatch, 64)
    drawn: list[Sequence[int]] = []

    draw = PlainDrawing.draw

    def listening(*arguments: Any) -> None:
        drawn.append(arguments[4])
        draw(*arguments)

    monkeypatch.setattr(PlainDrawing, "draw", listening)
    logits, _ = decode_all(network, embedding_of(0), *prompts(2))
    decoder = FoldedDecoder(network.prompt_encoder, network.mask_decoder)
    each = decoder._drawing.bytes_per_prompt((SIDE // 16) ** 2, 1 + MASKS + 2)
    monkeypatch.setattr(decoder_module, "memory_for_chunks", lambda _: 4 * each)
    fewer, _ = decode_all(network, embedding_of(0), *prompts(2))
    assert sorted(len(counts) for counts in drawn) == [3, 4, 4, COUNT]
    torch.testing.assert_close(fewer, logits, atol=1e-4, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize(("fitting", "groups"), [(COUNT, [COUNT]), (7, [4, 4, 3]), (0, [1] * COUNT)])
def test_scoring_is_split_to_fit_the_memory(
    network: SamNetwork, fitting: int, groups: list[int], torch_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_together(monkeypatch, COUNT)
    _, expected = decode_all(network, embedding_of(0), *prompts(2))
    each = decoder_module.scratch_bytes((SIDE // 16) ** 2, 1 + MASKS + 3)  # two points and the padding
    monkeypatch.setattr(decoder_module, "memory_for_chunks", lambda _: fitting * each)
    softmax, seen = torch.softmax, []

    def listening(weights: Tensor, *rest: Any, **options: Any) -> Tensor:
        seen.append(len(weights))
        return softmax(weights, *rest, **options)

    monkeypatch.setattr(torch, "softmax", listening)
    _, ious = decode_all(network, embedding_of(0), *prompts(2))
    assert seen[: len(groups)] == groups
    torch.testing.assert_close(ious, expected, atol=1e-4, rtol=0)


@torch.inference_mode()
def test_the_masks_are_the_same_without_onednn(
    network: SamNetwork, torch_alone: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits, ious = decode_all(network, embedding_of(0), *prompts(2))
    monkeypatch.setattr(onednn, "AVAILABLE", False)
    others, other_ious = decode_all(network, embedding_of(0), *prompts(2))
    torch.testing.assert_close(others, logits, atol=LOGIT_TOLERANCE, rtol=0)
    torch.testing.assert_close(other_ious, ious, atol=LOGIT_TOLERANCE, rtol=0)


def test_no_state_leaks_between_chunks_or_images(network: SamNetwork) -> None:
    alone = [decode_all(network, embedding_of(seed), *prompts(2, count)) for seed, count in ((0, 11), (1, 3))]
    network.decoder.release_memory()
    decode_all(network, embedding_of(2), *prompts(6, 13))
    for (expected, expected_ious), seed, count in zip(alone, (0, 1), (11, 3), strict=True):
        logits, ious = decode_all(network, embedding_of(seed), *prompts(2, count))
        assert torch.equal(logits, expected)
        assert torch.equal(ious, expected_ious)


@torch.inference_mode()
def test_new_parameters_are_folded_again(network: SamNetwork, state: dict[str, Tensor]) -> None:
    before, _ = decode_all(network, embedding_of(0), *prompts(2))
    other = {key: value * 1.1 if key.startswith("mask_decoder") else value for key, value in state.items()}
    load_state(network, other)
    after, _ = decode_all(network, embedding_of(0), *prompts(2))
    expected, _ = PlainHeads(other, SIDE)(embedding_of(0), *prompts(2))
    assert not torch.allclose(after, before, atol=1e-2)
    torch.testing.assert_close(after, expected, atol=LOGIT_TOLERANCE, rtol=0)


@pytest.fixture(params=[2, 3])
def several_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@torch.inference_mode()
def test_prompts_are_shared_by_all_threads_from_the_encoder_to_the_kernels_of_masks(
    network: SamNetwork, several_threads: int
) -> None:
    """Five masks, one mask and none are drawn: fewer masks than threads, and no share at all."""
    threaded = FoldedDecoder(network.prompt_encoder, network.mask_decoder)
    torch.set_num_threads(1)
    alone = FoldedDecoder(network.prompt_encoder, network.mask_decoder)
    assert (threaded.lanes, alone.lanes) == (several_threads, 1)
    rows, masks = torch.tensor([0, 3, 3, 4, 10]), torch.tensor([0, 1, 3, 2, 1])
    for chosen in (slice(None), slice(1), slice(0)):
        drawn = [
            decoder.draw(decoder.score(decoder.prepare((embedding_of(0),)), *prompts(2)), rows[chosen], masks[chosen])
            for decoder in (threaded, alone)
        ]
        assert len(drawn[0].logits) == len(rows[chosen])
        torch.testing.assert_close(drawn[0].logits, drawn[1].logits, atol=1e-4, rtol=0)
        torch.testing.assert_close(drawn[0].ious, drawn[1].ious, atol=1e-5, rtol=0)
