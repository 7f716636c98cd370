"""Scoring as CUDA graphs, on the stand-in GPU with a double of the graphs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.models.stand_in_gpu import GPU, StandInGpu
from fixtures.models.stand_in_graphs import NotCapturable, StandInGraph, stand_in_graphs
from fixtures.models.tiny_variant import tiny
from samfleet.variants.execution import Execution
from samfleet.variants.record import VariantRecord
from samfleet_models.checkpoints.loading import load_weights
from samfleet_models.decoder import captured_scoring
from samfleet_models.decoder.folded import FoldedDecoder, innermost
from samfleet_models.networks.registry import network_of
from samfleet_models.networks.sam import SamNetwork

__all__ = ["tiny"]

PROMPTS = 64


@pytest.fixture
def gpu() -> Iterator[StandInGpu]:
    with StandInGpu() as gpu:
        yield gpu


@pytest.fixture
def graphs(gpu: StandInGpu) -> Iterator[list[StandInGraph]]:
    with stand_in_graphs(gpu) as graphs:
        yield graphs


def decoders(variant: tuple[VariantRecord, Path]) -> tuple[FoldedDecoder, FoldedDecoder]:
    """Return a decoder that launches each time, and one that replays."""
    network = network_of(variant[0], Execution())
    assert isinstance(network, SamNetwork)
    load_weights(network, *variant)
    network.to(GPU)
    plain = innermost(network.decoder)
    replaying = FoldedDecoder(network.prompt_encoder, network.mask_decoder)
    replaying.capture_scoring()
    return plain, replaying


def features(seed: int) -> tuple[Tensor, ...]:
    return (torch.randn(1, 256, 8, 8, generator=torch.Generator().manual_seed(seed)).to(GPU),)


def prompts(seed: int, count: int = PROMPTS, points: int = 2) -> tuple[Tensor, Tensor]:
    coords = 100 * torch.rand(count, points, 2, generator=torch.Generator().manual_seed(seed))
    return coords, torch.ones(count, points, dtype=torch.int64)


def logits(decoder: FoldedDecoder, seed: int, image: int, count: int = PROMPTS) -> tuple[Tensor, Tensor]:
    scored = decoder.score(decoder.prepare(features(image)), *prompts(seed, count))
    rows = torch.arange(count)
    return scored.ious, decoder.draw(scored, rows, torch.ones_like(rows)).logits.cpu()


def test_a_replay_gives_the_results_of_launches_with_one_launch(
    tiny: tuple[VariantRecord, Path], gpu: StandInGpu, graphs: list[StandInGraph]
) -> None:
    plain, replaying = decoders(tiny)
    for seed, image in ((0, 0), (1, 0), (1, 1), (2, 2)):
        for own, other in zip(logits(replaying, seed, image), logits(plain, seed, image), strict=True):
            assert torch.equal(own, other)
    assert len(graphs) == 1
    launches = []
    for decoder in (plain, replaying):
        context = decoder.prepare(features(0))
        gpu.reset()
        decoder.score(context, *prompts(3))
        launches.append(gpu.launches)
    assert launches[1] < launches[0] / 4


def test_other_chunks_between_two_replays_change_nothing(
    tiny: tuple[VariantRecord, Path], graphs: list[StandInGraph]
) -> None:
    plain, replaying = decoders(tiny)
    first = logits(replaying, 0, 0)
    for count in (PROMPTS - 1, PROMPTS + 1, PROMPTS + 2):  # too small, captured, one graph too many
        for own, other in zip(logits(replaying, 1, 1, count), logits(plain, 1, 1, count), strict=True):
            assert torch.equal(own, other)
    several = [replaying.prepare(features(image)) for image in (0, 1) for _ in range(PROMPTS // 2)]
    replaying.score(several, *prompts(5))
    for own, other in zip(logits(replaying, 0, 0), first, strict=True):
        assert torch.equal(own, other)
    assert len(graphs) == captured_scoring.MOST_GRAPHS == 2


def test_released_graphs_are_captured_again(tiny: tuple[VariantRecord, Path], graphs: list[StandInGraph]) -> None:
    _, replaying = decoders(tiny)
    first = logits(replaying, 0, 0)
    replaying.release_memory()
    assert all(torch.equal(own, other) for own, other in zip(logits(replaying, 0, 0), first, strict=True))
    assert len(graphs) == 2


def test_without_memory_for_a_graph_the_chunk_is_launched(
    tiny: tuple[VariantRecord, Path], graphs: list[StandInGraph], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, replaying = decoders(tiny)
    captures = []

    def small_memory(*_: object) -> None:
        captures.append(1)
        raise torch.OutOfMemoryError("of the GPU")

    monkeypatch.setattr(captured_scoring, "captured", small_memory)
    for seed in (0, 1):
        for own, other in zip(logits(replaying, seed, 0), logits(plain, seed, 0), strict=True):
            assert torch.equal(own, other)
    assert (captures, graphs) == ([1], [])


def test_the_double_refuses_what_a_graph_cannot_repeat(gpu: StandInGpu, graphs: list[StandInGraph]) -> None:
    assert gpu
    there = torch.ones(3, device=GPU)
    with pytest.raises(NotCapturable, match="waits"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        there.cpu()
    with pytest.raises(NotCapturable, match="from the host"), torch.cuda.graph(torch.cuda.CUDAGraph()):
        torch.ones(3).pin_memory().to(GPU, non_blocking=True)
    assert graphs == []


def test_the_execution_cuda_graphs_captures_the_decoder(
    tiny: tuple[VariantRecord, Path], graphs: list[StandInGraph]
) -> None:
    network = network_of(tiny[0], Execution(compilation="cuda_graphs"))
    load_weights(network, *tiny)
    network.to(GPU)
    before = len(graphs)
    decoder = innermost(network.decoder)
    logits(decoder, 0, 0)
    assert len(graphs) == before + 1
