"""Images of a batch share the decoder's chunks and get the same results as alone."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from fixtures.images.encoded_images import bright_square
from fixtures.models.tiny_variant import tiny, tiny_engine
from samfleet.variants.record import VariantRecord
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters, TaskParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.batching import scheduler
from samfleet_models.batching.cancellation import Cancellation, never
from samfleet_models.batching.requests import DecodeRequest, DecodeResult
from samfleet_models.decoder.folded import FoldedDecoder, ScoredPrompts
from samfleet_models.decoder.image_context import ImageContext
from samfleet_models.decoder.interface import DrawnMasks
from samfleet_models.modeling.prompt_encoder import Label
from samfleet_models.networks.onnx.graph import GraphFailed
from samfleet_models.serving.engine import Engine, EngineSettings

__all__ = ["tiny", "tiny_engine"]

POINT = Prompt(points=((20, 15),), labels=(1,))
THREE = Prompt(points=((20, 15), (2, 2), (9, 9)), labels=(1, 0, 1), multimask=True)
BOX = Prompt(box=(10, 8, 30, 22))
FOUR = EverythingParameters(points_per_side=4)
GRID = EverythingParameters(points_per_side=3, pred_iou_thresh=-1.0, stability_score_thresh=0.0, box_nms_thresh=1.0)


def request(width: int, *prompts: Prompt, task: TaskParameters | None = None) -> SegmentRequest:
    return SegmentRequest(bright_square(width, 30), task or PromptsParameters(), prompts)


def segment(engine: Engine, requests: Sequence[SegmentRequest]) -> dict[int, SegmentReply]:
    return dict(engine.segment(requests))


class Chunks:
    """Record for each chunk of the decoder how many prompts of each image it has, in order."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[list[int]] = []
        score = cast("FoldedDecoder", engine.network.decoder).score

        def listening(contexts: Sequence[ImageContext], coords: Tensor, labels: Tensor) -> ScoredPrompts:
            images = list(dict.fromkeys(map(id, contexts)))
            self.seen.append([sum(id(context) == image for context in contexts) for image in images])
            return score(contexts, coords, labels)

        monkeypatch.setattr(engine.network.decoder, "score", listening)


def check_alike(together: SegmentReply, alone: SegmentReply) -> None:
    assert together.report.error_code is None
    assert [mask.prompt_index for mask in together.masks] == [mask.prompt_index for mask in alone.masks]
    for ours, theirs in zip(together.masks, alone.masks, strict=True):
        assert ours.size == theirs.size
        assert ours.predicted_iou == pytest.approx(theirs.predicted_iou, abs=1e-5)
        assert abs(ours.area - theirs.area) <= 2


def test_prompts_of_all_images_share_chunks(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [request(40, THREE, BOX, POINT), request(50, BOX), request(60, THREE, POINT, THREE)]
    alone = [segment(tiny_engine, [one])[0] for one in requests]
    chunks = Chunks(tiny_engine, monkeypatch)
    together = segment(tiny_engine, requests)
    assert chunks.seen == [[2, 1, 1], [1, 2]]  # a box, a point and its padding: two tokens each; then four
    for position, expected in enumerate(alone):
        check_alike(together[position], expected)


def test_grids_of_several_images_fill_shared_chunks(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [request(width, task=GRID) for width in (40, 50, 60)]
    alone = [segment(tiny_engine, [one])[0] for one in requests]
    monkeypatch.setattr(tiny_engine.network, "prompts_per_pass", lambda *_, **__: 7)
    chunks = Chunks(tiny_engine, monkeypatch)
    together = segment(tiny_engine, requests)
    assert chunks.seen == [[7], [2, 5], [4, 3], [6]]
    for position, expected in enumerate(alone):
        assert len(together[position].masks) == len(expected.masks) > 0


def test_points_per_batch_of_one_image_does_not_limit_the_others(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounded = EverythingParameters(points_per_side=2, points_per_batch=1)
    chunks = Chunks(tiny_engine, monkeypatch)
    segment(tiny_engine, [request(40, task=GRID), request(50, task=bounded), request(60, task=GRID)])
    assert chunks.seen == [[9, 9], [1], [1], [1], [1]]


def test_replies_are_sent_when_their_last_prompt_is_decoded(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_engine.network, "prompts_per_pass", lambda *_, **__: 4)
    chunks = Chunks(tiny_engine, monkeypatch)
    at = {
        position: len(chunks.seen)
        for position, _ in tiny_engine.segment([request(40, *[POINT] * 3), request(50, *[BOX] * 3), request(60, BOX)])
    }
    assert chunks.seen == [[3, 1], [2, 1]]
    assert at == {0: 1, 1: 2, 2: 2}


def test_the_number_of_images_in_progress_is_limited(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scheduler.IMAGES_IN_PROGRESS, "cpu", 2)
    chunks = Chunks(tiny_engine, monkeypatch)
    replies = segment(tiny_engine, [request(40 + width, POINT) for width in range(5)])
    assert chunks.seen == [[1, 1], [1, 1], [1]]
    assert sorted(replies) == list(range(5))


def test_the_context_of_an_image_is_released_with_its_last_prompt(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny_engine.network, "prompts_per_pass", lambda *_, **__: 4)
    crops = EverythingParameters(points_per_side=2, crop_n_layers=1)
    requests = [request(40, POINT, POINT, THREE), *[request(50, task=crops)] * 2, request(60, *[POINT] * 5)]
    at_work = [sum(type(thing) is ImageContext for thing in gc.get_objects()) for _ in tiny_engine.segment(requests)]
    assert all(alive <= unanswered for alive, unanswered in zip(at_work, (3, 2, 1, 0), strict=True))


def test_the_time_of_a_chunk_is_divided_by_prompts(tiny_engine: Engine) -> None:
    replies = segment(tiny_engine, [request(40, *[POINT] * 3), request(50, POINT)])
    many, one = (replies[position].report.stages["decode"] for position in range(2))
    assert many.amortised_ms < many.batch_ms
    shared = 4 / 3 * (one.batch_ms - one.amortised_ms)  # the time of the chunk: this has all but a quarter of it
    assert many.batch_ms - many.amortised_ms == pytest.approx(shared / 4)


def test_an_image_too_large_for_the_memory_fails_and_the_others_succeed(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is that of torch's CPU allocator: a plain RuntimeError."""
    requests = [request(40, *[POINT] * 2), request(50, *[BOX] * 3), request(60, *[POINT] * 2)]
    alone = [segment(tiny_engine, [one])[0] for one in requests]
    begin = scheduler.begin_result

    def small_memory(decoded: DecodeRequest, *arguments: Any) -> Callable[[], Callable[[], DecodeResult]]:
        if decoded.view.placement.image[1] == 50:
            torch.empty(2**50)
        return begin(decoded, *arguments)

    monkeypatch.setattr(scheduler, "begin_result", small_memory)
    chunks = Chunks(tiny_engine, monkeypatch)
    replies = segment(tiny_engine, requests)
    assert [replies[position].report.error_code for position in range(3)] == [None, "out_of_memory", None]
    assert replies[1].report.error_stage == "postprocess"
    assert "can't allocate memory" in (replies[1].report.error_message or "")
    assert chunks.seen == [[2, 3, 2], [2, 1], [1], [1], [1], [2]]
    for position in (0, 2):
        check_alike(replies[position], alone[position])


def test_a_prompt_that_the_decoder_refuses_fails_only_its_image(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = segment(tiny_engine, [request(40, POINT), request(60, POINT)])
    score = cast("FoldedDecoder", tiny_engine.network.decoder).score

    def refusing(contexts: Sequence[ImageContext], coords: Tensor, labels: Tensor) -> ScoredPrompts:
        if (labels == Label.BACKGROUND).any():
            raise GraphFailed("this graph takes no such point")
        return score(contexts, coords, labels)

    monkeypatch.setattr(tiny_engine.network.decoder, "score", refusing)
    against = replace(POINT, labels=(0,))
    replies = segment(tiny_engine, [request(40, POINT), request(50, against), request(60, POINT)])
    assert [replies[position].report.error_code for position in range(3)] == [None, "onnx_failed", None]
    assert replies[1].report.error_stage == "decode"
    for position, expected in ((0, alone[0]), (2, alone[1])):
        check_alike(replies[position], expected)


def test_an_image_that_fails_between_decode_requests_fails_alone(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = tiny_engine.network.decoder.prepare
    turns = iter([False, True, False])

    def small_memory(features: tuple[Tensor, ...]) -> ImageContext:
        if next(turns):
            raise torch.OutOfMemoryError
        context: ImageContext = prepare(features)
        return context

    monkeypatch.setattr(tiny_engine.network.decoder, "prepare", small_memory)
    replies = segment(tiny_engine, [request(40, POINT), request(50, task=GRID), request(60, POINT)])
    assert [replies[position].report.error_code for position in range(3)] == [None, "out_of_memory", None]
    assert replies[1].report.error_stage == "decode"


def test_results_have_the_scores_of_the_drawn_masks(tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = tiny_engine.network.decoder.draw

    def another(scored: ScoredPrompts, rows: Tensor, masks: Tensor) -> DrawnMasks:
        return replace(draw(scored, rows, masks), ious=rows / 8)

    monkeypatch.setattr(tiny_engine.network.decoder, "draw", another)
    replies = segment(tiny_engine, [request(40, POINT, BOX), request(50, BOX)])
    assert [[mask.predicted_iou for mask in replies[position].masks] for position in range(2)] == [[0, 0.125], [0.25]]


def test_a_cancelled_image_leaves_the_next_chunk_and_other_results_are_unchanged(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [request(width, task=GRID) for width in (40, 50, 60)]
    alone = [segment(tiny_engine, [one])[0] for one in requests]
    monkeypatch.setattr(tiny_engine.network, "prompts_per_pass", lambda *_, **__: 7)
    chunks = Chunks(tiny_engine, monkeypatch)
    cancelled = [never, lambda: len(chunks.seen) >= 2, never]
    replies = dict(tiny_engine.segment(requests, cancelled))
    assert chunks.seen == [[7], [2, 5], [7], [2]]
    assert [replies[position].report.error_code for position in range(3)] == [None, "request_cancelled", None]
    for position in (0, 2):
        check_alike(replies[position], alone[position])


def test_an_image_cancelled_while_it_waits_is_neither_decoded_nor_encoded(
    tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    chunks = Chunks(tiny_engine, monkeypatch)
    bad = SegmentRequest(b"no image", PromptsParameters(), (POINT,))
    replies = dict(tiny_engine.segment([bad, request(40, POINT)], [lambda: True, never]))
    assert replies[0].report.error_code == "request_cancelled"
    assert replies[1].report.error_code is None
    assert chunks.seen == [[1]]
    later = iter([False, True])
    reply = dict(tiny_engine.segment([request(40, POINT)], [lambda: next(later)]))[0]
    assert (reply.report.error_code, reply.report.error_stage) == ("request_cancelled", "encode")
    assert chunks.seen == [[1]]


def test_small_regions_are_not_removed_for_a_cancelled_request(tiny_engine: Engine) -> None:
    """Each mask of a large image takes long, and no decoder chunk runs between them."""
    task = replace(GRID, min_mask_region_area=5)
    turns = [0]

    def cancelled() -> bool:
        turns[0] += 1
        return turns[0] > 5  # after decoding, encoding, setup and one chunk, the masks follow

    reply = dict(tiny_engine.segment([request(40, task=task)], [cancelled]))[0]
    assert (reply.report.error_code, reply.report.error_stage) == ("request_cancelled", "postprocess")


def test_cancellation_is_checked_at_most_once_per_interval() -> None:
    now, asked = [0.0], [0]

    def gone() -> bool:
        asked[0] += 1
        return asked[0] == 2

    cancellation = Cancellation(gone, 0.1, lambda: now[0])
    assert [cancellation(), asked[0]] == [False, 0]
    now[0] = 0.1
    assert [cancellation(), cancellation(), asked[0]] == [False, False, 1]
    now[0] = 0.2
    assert cancellation()
    now[0] = 0.3
    assert cancellation()
    assert asked[0] == 2


def test_an_image_that_keeps_too_many_masks_fails_alone(tiny: tuple[VariantRecord, Path]) -> None:
    record, path = tiny
    engine = Engine(record, path, EngineSettings(device="cpu", max_mask_bytes=20_000))
    try:
        replies = segment(engine, [request(40, task=replace(GRID, points_per_side=8)), request(50, POINT)])
    finally:
        engine.close()
    assert replies[0].report.error_code == "masks_too_many"
    assert replies[0].masks == ()
    assert replies[1].report.error_code is None


def test_the_backend_refuses_too_many_prompts(tiny: tuple[VariantRecord, Path]) -> None:
    record, path = tiny
    engine = Engine(record, path, EngineSettings(device="cpu", max_prompts=9))
    try:
        replies = segment(engine, [request(40, task=GRID), request(40, *[POINT] * 10), request(40, task=FOUR)])
    finally:
        engine.close()
    codes = [replies[position].report.error_code for position in range(3)]
    assert codes == [None, "prompts_too_many", "prompts_too_many"]
