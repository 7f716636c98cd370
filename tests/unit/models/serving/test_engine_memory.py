"""An engine on a device with too little memory."""

from __future__ import annotations

import weakref
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fixtures.images.encoded_images import bright_square
from fixtures.models.engine_requests import BOX, EVERYTHING, POINT, POINTS, prompts_request, segment
from fixtures.models.kernels import reset_kernels
from fixtures.models.mobile_sam_engine import sam_network
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_kernels.library import choose
from samfleet_models.decoder.factors import scored_bytes
from samfleet_models.decoder.folded import ScoredPrompts, innermost
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.interface import DrawnMasks
from samfleet_models.images import loading
from samfleet_models.images.decode import PixelBudget, read_image
from samfleet_models.images.transforms import Pixels
from samfleet_models.modeling.common import Features
from samfleet_models.networks import sam as network_module
from samfleet_models.networks.sam import IMAGES_PER_PASS
from samfleet_models.serving.engine import ENCODED_AT_A_TIME, Engine, EngineSettings

__all__ = ["reset_kernels", "tiny", "tiny_engine"]


def test_a_batch_too_large_for_the_memory_is_encoded_one_by_one(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(IMAGES_PER_PASS, "cpu", 8)
    monkeypatch.setitem(ENCODED_AT_A_TIME, "cpu", 8)
    encode = sam_network(tiny_engine).encode
    sizes = []

    def small_memory(pixels: Tensor) -> Features:
        sizes.append(len(pixels))
        if len(pixels) > 1:
            raise torch.OutOfMemoryError
        return encode(pixels)

    expected = [reply.masks for reply in segment(tiny_engine, [prompts_request(POINT), prompts_request(BOX)])]
    monkeypatch.setattr(sam_network(tiny_engine), "encode", small_memory)
    replies = segment(tiny_engine, [prompts_request(POINT), prompts_request(BOX)])
    assert sizes == [2, 1, 1]
    assert [reply.masks[0].area for reply in replies] == pytest.approx([masks[0].area for masks in expected], abs=2)


@pytest.mark.parametrize(("task", "kept"), [(EVERYTHING, False), (replace(EVERYTHING, crop_n_layers=1), True)])
def test_only_tasks_with_crops_keep_an_image_while_it_is_encoded(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch, task: EverythingParameters, kept: bool
) -> None:
    images: list[weakref.ref[Pixels]] = []
    alive: list[bool] = []
    encode = sam_network(tiny_engine).encode

    def read(data: bytes, max_pixels: int, budget: PixelBudget) -> Pixels:
        image = read_image(data, max_pixels, budget)
        images.append(weakref.ref(image))
        return image

    def looked(pixels: Tensor) -> Features:
        alive.append(images[0]() is not None)
        return encode(pixels)

    monkeypatch.setattr(loading, "read_image", read)
    monkeypatch.setattr(sam_network(tiny_engine), "encode", looked)
    (reply,) = segment(tiny_engine, [SegmentRequest(bright_square(40, 30), task)])
    assert reply.report.error_code is None
    assert alive[0] == kept


@pytest.mark.parametrize("stage", ["score", "draw"])
def test_out_of_memory_halves_the_chunk_and_decoding_continues(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    requests = [prompts_request(*[POINT] * 20), SegmentRequest(bright_square(40, 30), EVERYTHING)]
    expected = segment(tiny_engine, requests)
    sizes = limit_memory(tiny_engine, monkeypatch, stage, prompts=4)
    replies = segment(tiny_engine, requests)
    assert [reply.report.error_code for reply in replies] == [None, None]
    assert [len(reply.masks) for reply in replies] == [len(reply.masks) for reply in expected]
    assert [mask.prompt_index for mask in replies[0].masks] == list(range(20))
    assert max(sizes) > 4 >= min(sizes)


def test_an_image_too_large_for_the_memory_fails_alone(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = limit_memory(tiny_engine, monkeypatch, "score", prompts=0, points=2)
    large, small = segment(tiny_engine, [prompts_request(*[POINTS] * 8), prompts_request(POINT)])
    assert (large.report.error_code, large.report.error_stage) == ("out_of_memory", "decode")
    assert (large.report.width, large.report.height) == (40, 30)
    assert sizes == [8, 4, 2, 1, 1]
    assert len(small.masks) == 1


def limit_memory(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, stage: str, *, prompts: int, points: int = 0
) -> list[int]:
    """Let one step of the decoder run out of memory beyond `prompts` of more than `points` points; list the sizes."""
    decoder = engine.network.decoder
    work = getattr(decoder, stage)
    sizes: list[int] = []

    def limited(given: ImageContext | ScoredPrompts, first: Tensor, second: Tensor) -> ScoredPrompts | DrawnMasks:
        count = len(given.ious) if isinstance(given, ScoredPrompts) else len(first)
        width = 1 if isinstance(given, ScoredPrompts) else first.shape[1]
        sizes.append(count)
        if count > prompts and width > points:
            raise torch.OutOfMemoryError
        return work(given, first, second)  # type: ignore[no-any-return]  # the method that it replaces

    monkeypatch.setattr(decoder, stage, limited)
    return sizes


def test_the_chunk_size_is_bounded_for_every_request(tiny_engine: Engine) -> None:
    network = sam_network(tiny_engine)
    assert network.prompts_per_pass(3) == 3
    assert network.prompts_per_pass(65_536) == 64
    assert 1 <= network.prompts_per_pass(points=500) <= network.prompts_per_pass() <= 64


@pytest.mark.parametrize("choice", ["auto", "off"])
def test_a_prompt_keeps_as_many_bytes_as_its_factors_have(
    tiny: tuple[VariantRecord, Path], choice: str, reset_kernels: None
) -> None:
    choose(choice)
    with closing(Engine(*tiny, EngineSettings(device="cpu"))) as engine:
        decoder = innermost(sam_network(engine).decoder)
        scored = decoder.score(
            decoder.prepare((torch.randn(1, 256, 8, 8),)), torch.rand(3, 2, 2), torch.ones(3, 2).long()
        )
    kept = scored.factors.image.nbytes + scored.factors.scale.nbytes
    assert kept == 3 * scored_bytes(64, scored.tokens.shape[1], differences=decoder.compiled)


def test_threads_with_cpu_kernels_have_sixteen_points_whatever_the_cache(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An embedding of 4096 image tokens needs 1.6 MB a point. More tokens are fewer prompts."""
    network = sam_network(tiny_engine)
    if not innermost(network.decoder).compiled:
        pytest.skip("no CPU kernels here")
    monkeypatch.setattr(network_module, "memory_for_chunks", lambda *_: 2**20)
    monkeypatch.setattr(type(network.decoder), "lanes", 2)
    monkeypatch.setattr(network.prompt_encoder, "embedding_size", 64)
    assert network.prompts_per_pass() == 32
    assert network.prompts_per_pass(points=95) == 2


def test_a_chunk_divides_evenly_among_the_threads(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    network = sam_network(tiny_engine)
    monkeypatch.setattr(type(network.decoder), "lanes", 5)
    assert network.prompts_per_pass() % 5 == 0
    monkeypatch.setattr(type(network.decoder), "lanes", 1000)
    assert network.prompts_per_pass() >= 1
