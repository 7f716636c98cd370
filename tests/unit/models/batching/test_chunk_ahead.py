"""On a GPU the masks of a chunk are encoded while the next chunk is decoded; the stand-in GPU shows the order."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fixtures.images.encoded_images import bright_square
from fixtures.models.stand_in_gpu import StandInGpu
from fixtures.models.tiny_families import tiny_variant_of
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet_models.batching import scheduler
from samfleet_models.batching.cancellation import Cancelled, never
from samfleet_models.batching.chunks import BegunChunk, ChunkSlice
from samfleet_models.batching.requests import DecodeResult
from samfleet_models.batching.scheduler import PromptScheduler
from samfleet_models.device.meters.host import HostMeter
from samfleet_models.networks.onnx.graph import GraphFailed
from samfleet_models.serving.engine import Engine, EngineSettings

GRID = EverythingParameters(points_per_side=3, pred_iou_thresh=-1.0, stability_score_thresh=0.0, box_nms_thresh=1.0)
REQUESTS = [SegmentRequest(bright_square(width, 30), GRID) for width in (40, 50, 60)]
PROMPTS = 9  # of a request
Result = Callable[[], DecodeResult]


class Watched(BegunChunk):
    """A chunk whose end of life can be seen."""

    __slots__ = ("__weakref__",)


class Order:
    """The decoder's chunks, as (what, number of the chunk), and the most that were alive at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[str, int]] = []
        self.alive = 0
        self._numbers: dict[int, int] = {}  # by the identity of the parts, which are all kept
        self._kept: list[list[ChunkSlice]] = []
        self._chunks: list[weakref.ref[BegunChunk]] = []
        begun, complete = PromptScheduler._decoded, PromptScheduler._complete_oldest

        def begin(own: PromptScheduler, chunk: list[ChunkSlice]) -> BegunChunk:
            made = begun(own, chunk)
            self._numbers[id(made.parts)] = len(self._numbers)
            self._kept.append(made.parts)
            self.steps.append(("begin", self._numbers[id(made.parts)]))
            self._chunks.append(weakref.ref(made))
            self.alive = max(self.alive, sum(chunk() is not None for chunk in self._chunks))
            return made

        def finish(own: PromptScheduler) -> None:
            self.steps.append(("complete", self._numbers[id(own._begun[0].parts)]))
            complete(own)

        monkeypatch.setattr(scheduler, "BegunChunk", Watched)
        monkeypatch.setattr(PromptScheduler, "_decoded", begin)
        monkeypatch.setattr(PromptScheduler, "_complete_oldest", finish)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    record, path = tiny_variant_of("mobile_sam", tmp_path)
    with StandInGpu():
        engine = Engine(record, path, EngineSettings(device="cuda"), HostMeter())
        monkeypatch.setattr(engine.network, "prompts_per_pass", lambda *_, **__: 7)
        yield engine
        engine.close()


def segment(engine: Engine, cancelled: Sequence[Cancelled] = ()) -> list[SegmentReply]:
    replies = list(engine.segment(REQUESTS, cancelled))
    assert sorted(position for position, _ in replies) == [0, 1, 2]  # one reply for each
    return [reply for _, reply in sorted(replies, key=lambda reply: reply[0])]


def codes(reply: SegmentReply) -> list[str]:
    return [mask.counts for mask in reply.masks]


@pytest.fixture
def expected(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Return the codes when every chunk is completed at once."""
    with monkeypatch.context() as patched:
        patched.setitem(scheduler.CHUNKS_AHEAD, "cuda", 0)
        return [codes(reply) for reply in segment(engine)]


def test_a_chunk_is_completed_after_the_next_one_began(
    engine: Engine, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(monkeypatch)
    assert [codes(reply) for reply in segment(engine)] == expected
    last = -(-3 * PROMPTS // 7) - 1
    ahead = [step for number in range(1, last + 1) for step in (("begin", number), ("complete", number - 1))]
    assert order.steps == [("begin", 0), *ahead, ("complete", last)]
    assert order.alive == 2


def failing_once(monkeypatch: pytest.MonkeyPatch, error: Exception, number: int) -> None:
    """Make the completion of the part `number` fail."""
    begin, parts = scheduler.begin_result, iter(range(1000))

    def begin_result(*arguments: Any) -> Callable[[], Result]:
        own, draw = next(parts), begin(*arguments)

        def drawn() -> Result:
            result = draw()

            def failed() -> DecodeResult:
                raise error

            return failed if own == number else result

        return drawn

    monkeypatch.setattr(scheduler, "begin_result", begin_result)


@pytest.mark.parametrize("number", [0, 2, 5])
def test_memory_that_runs_out_at_the_end_of_a_chunk_repeats_it_and_the_one_after_it(
    number: int, engine: Engine, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing_once(monkeypatch, torch.OutOfMemoryError("of the GPU"), number)
    order = Order(monkeypatch)
    assert [codes(reply) for reply in segment(engine)] == expected
    assert len(order.steps) > 2 * 4
    assert order.alive == 2


def test_memory_that_runs_out_at_the_beginning_waits_for_the_chunk_before(
    engine: Engine, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    score, calls = engine.network.decoder.score, iter(range(1000))

    def small_memory(contexts: Any, coords: Tensor, labels: Tensor) -> Any:
        if next(calls) == 1:
            raise torch.OutOfMemoryError("of the GPU")
        return score(contexts, coords, labels)

    monkeypatch.setattr(engine.network.decoder, "score", small_memory)
    order = Order(monkeypatch)
    assert [codes(reply) for reply in segment(engine)] == expected
    assert order.steps[:3] == [("begin", 0), ("complete", 0), ("begin", 1)]  # of the same size, with its memory


def test_an_image_that_the_decoder_refuses_fails_alone(
    engine: Engine, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = scheduler.begin_result

    def refusing(request: Any, *arguments: Any) -> Callable[[], Result]:
        if request.view.placement.image[1] == 50:
            raise GraphFailed("this graph takes no such point")
        return begin(request, *arguments)

    monkeypatch.setattr(scheduler, "begin_result", refusing)
    replies = segment(engine)
    assert [reply.report.error_code for reply in replies] == [None, "onnx_failed", None]
    assert [codes(replies[0]), codes(replies[2])] == [expected[0], expected[2]]


def test_an_image_cancelled_while_its_chunk_is_ahead_leaves_the_others_unchanged(
    engine: Engine, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order = Order(monkeypatch)
    replies = segment(engine, [never, lambda: ("begin", 1) in order.steps, never])
    assert [reply.report.error_code for reply in replies] == [None, "request_cancelled", None]
    assert [codes(replies[0]), codes(replies[2])] == [expected[0], expected[2]]


def test_a_defect_ends_the_iteration_and_the_next_batch_works(
    engine: Engine, expected: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        failing_once(patched, ZeroDivisionError("a defect"), 2)
        with pytest.raises(ZeroDivisionError):
            segment(engine)
    assert [codes(reply) for reply in segment(engine)] == expected
