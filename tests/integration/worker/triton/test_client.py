"""The worker's client against a real Triton that has loaded no variant yet."""

from __future__ import annotations

import io
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from fixtures.models.shared_data import weights_dir
from fixtures.servers.triton import running_triton
from fixtures.worker.collected_spans import traced
from fixtures.worker.metric_changes import sampled
from samfleet.tracing import span
from samfleet.variants.catalogue import get_variant
from samfleet.variants.task import EverythingParameters, Prompt, PromptsParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_cli.local_stack.part import Answer
from samfleet_cli.local_stack.readiness import TritonReady
from samfleet_worker.triton.calls import CallCancelled, OpenCalls
from samfleet_worker.triton.client import TritonSegmenter
from samfleet_worker.triton.errors import (
    InferenceRejected,
    ModelNotLoaded,
    TritonTimeout,
    TritonUnavailable,
    VariantLoadFailed,
)

MINUTES = timedelta(minutes=5)
NOBODY: frozenset[str] = frozenset()  # no variant is in use


def picture() -> bytes:
    buffer = io.BytesIO()
    image = Image.new("RGB", (96, 64), (30, 90, 160))
    image.paste((240, 200, 40), (20, 10, 60, 50))
    image.save(buffer, "PNG")
    return buffer.getvalue()


def boxes(*found: tuple[float, float, float, float]) -> SegmentRequest:
    return SegmentRequest(picture(), PromptsParameters(), tuple(Prompt(box=box) for box in found))


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_triton(tmp_path_factory.mktemp("triton"), weights_dir(), []) as command:
        yield f"127.0.0.1:{command.grpc_port}"


@contextmanager
def loaded(addresses: list[str], timeout: timedelta = MINUTES) -> Iterator[TritonSegmenter]:
    with closing(TritonSegmenter(addresses, timeout)) as segmenter:
        segmenter.load("mobile_sam", NOBODY)
        yield segmenter


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address that refuses connections during the test."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"


def test_a_variant_not_loaded_is_loaded_and_used(address: str) -> None:
    with closing(TritonSegmenter([address], MINUTES)) as segmenter, sampled() as change:
        assert [(server.ready, server.variants) for server in segmenter.status()] == [(True, ())]
        assert not segmenter.has("mobile_sam")
        with pytest.raises(ModelNotLoaded):
            segmenter.segment("mobile_sam", [boxes()])
        segmenter.load("mobile_sam", NOBODY)
        assert segmenter.has("mobile_sam")
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))]), range(4)))
        assert segmenter.status()[0].variants == ("mobile_sam",)
        for (timed,) in replies:
            assert timed.reply.report.error_code is None
            assert (timed.reply.report.width, timed.reply.report.height) == (96, 64)
            assert [mask.prompt_index for mask in timed.reply.masks] == [0]
            assert timed.round_trip_ms >= timed.reply.report.execute_ms
    assert change("samfleet_model_load_duration_seconds_count", variant="mobile_sam", outcome="loaded") == 1


@pytest.mark.usefixtures("dead_proxy")
def test_servers_are_reached_without_a_proxy(address: str) -> None:
    assert TritonReady(address).ask() is Answer.READY
    with loaded([address]) as segmenter:
        assert segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))])[0].reply.masks


def test_a_bad_image_is_a_report_and_not_an_exception(address: str) -> None:
    with loaded([address]) as segmenter:
        reply = segmenter.segment("mobile_sam", [SegmentRequest(b"no image", PromptsParameters())])[0].reply
    assert reply.report.error_code == "image_unreadable"


def test_images_of_one_request_are_one_batch(address: str) -> None:
    """A bad image between two good ones has its error; each image has the time of the whole request."""
    good = boxes((20, 10, 60, 50))
    with loaded([address]) as segmenter:
        (alone,) = segmenter.segment("mobile_sam", [good])
        replies = segmenter.segment("mobile_sam", [good, SegmentRequest(b"no image", PromptsParameters()), good])
    assert [timed.reply.report.error_code for timed in replies] == [None, "image_unreadable", None]
    counts = [[mask.counts for mask in timed.reply.masks] for timed in (*replies, alone)]
    assert counts == [counts[3], [], counts[3], counts[3]]
    assert len(counts[3]) == 1
    assert {timed.reply.report.batch_size for timed in replies} == {3}
    assert len({(timed.round_trip_ms, timed.reply.report.execute_ms) for timed in replies}) == 1
    assert replies[0].round_trip_ms >= replies[0].reply.report.execute_ms


def test_more_images_than_a_batch_are_rejected(address: str) -> None:
    most = get_variant("mobile_sam").max_batch_size
    with loaded([address]) as segmenter, pytest.raises(InferenceRejected, match="batch"):
        segmenter.segment("mobile_sam", [boxes()] * (most + 1))


def test_other_servers_of_the_pool_replace_an_unreachable_one(address: str, nobody: str) -> None:
    with loaded([nobody, address]) as segmenter:
        assert segmenter.has("mobile_sam")
        for _ in range(2):
            assert segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))])[0].reply.masks
        assert [server.ready for server in segmenter.status()] == [False, True]


def test_an_unreachable_pool_is_retryable(nobody: str) -> None:
    with closing(TritonSegmenter([nobody], MINUTES)) as segmenter, pytest.raises(TritonUnavailable):
        segmenter.has("mobile_sam")


def test_a_late_response_is_a_timeout(address: str) -> None:
    with loaded([address], timedelta(milliseconds=5)) as segmenter, pytest.raises(TritonTimeout):
        segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))])


def test_a_variant_unknown_to_triton_fails_with_the_reason(address: str) -> None:
    with closing(TritonSegmenter([address], MINUTES)) as segmenter, pytest.raises(VariantLoadFailed) as raised:
        segmenter.load("sam_huge", NOBODY)
    assert "sam_huge" in raised.value.message


def test_requests_and_loads_are_measured(address: str, nobody: str) -> None:
    with closing(TritonSegmenter([nobody, address], MINUTES)) as segmenter, sampled() as change:
        segmenter.load("mobile_sam", NOBODY)
        for _ in range(2):  # neither goes to the server that did not answer the load
            segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))])
        with pytest.raises(ModelNotLoaded):
            segmenter.segment("sam_vit_b", [boxes()])
    asked = "samfleet_triton_request_duration_seconds_count"
    assert change(asked, variant="mobile_sam", outcome="ok") == 2
    assert change(asked, variant="mobile_sam", outcome="triton_unavailable") == 0
    assert change(asked, variant="sam_vit_b", outcome="model_not_loaded") == 1
    assert change("samfleet_triton_retries_total", variant="sam_vit_b", reason="model_not_loaded") == 1
    assert change(asked, variant="sam_vit_b", outcome="triton_unavailable") == 1  # the last that is left
    assert change("samfleet_triton_requests_in_progress") == 0


def test_triton_receives_the_trace_with_a_request(address: str) -> None:
    with traced() as finished, loaded([address]) as segmenter:
        with span("shard"):
            segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))])
        asked, shard = finished()
    assert (asked.name, asked.kind.name) == ("triton", "CLIENT")
    assert asked.parent.span_id == shard.context.span_id
    assert asked.attributes == {"server.address": address, "samfleet.variant": "mobile_sam"}


def days() -> SegmentRequest:
    """A request of many minutes of work, with a task within the limits."""
    return SegmentRequest(picture(), EverythingParameters(points_per_side=160))


def check_free(address: str) -> None:
    """Check that the server serves another client long before the work would have ended."""
    with loaded([address], timedelta(seconds=60)) as segmenter:
        assert segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))])[0].reply.masks


def test_a_cancelled_call_ends_the_work_at_triton(address: str) -> None:
    calls = OpenCalls()
    with loaded([address]) as segmenter, ThreadPoolExecutor(2) as pool:
        heavy = [pool.submit(segmenter.segment, "mobile_sam", [days()], calls) for _ in range(2)]
        wait_until_busy(address)
        calls.cancel()
        for call in heavy:
            with pytest.raises(CallCancelled):
                call.result()
        with pytest.raises(CallCancelled):
            segmenter.segment("mobile_sam", [boxes()], calls)
    check_free(address)


def test_a_timed_out_call_ends_the_work_at_triton(address: str) -> None:
    with loaded([address], timedelta(seconds=2)) as segmenter, pytest.raises(TritonTimeout):
        segmenter.segment("mobile_sam", [days()])
    check_free(address)


def test_the_death_of_a_caller_ends_the_work_at_triton(address: str) -> None:
    with loaded([address]):
        pass
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from integration.worker.triton.test_client import MINUTES, TritonSegmenter, days\n"
        "segmenter = TritonSegmenter([sys.argv[2]], MINUTES)\n"
        "print('asks', flush=True)\n"
        "segmenter.segment('mobile_sam', [days()])\n"
    )
    tests = str(Path(__file__).resolve().parents[3])
    with subprocess.Popen([sys.executable, "-c", program, tests, address], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        assert caller.stdout.readline() == b"asks\n"
        wait_until_busy(address)
        caller.kill()
    check_free(address)


def wait_until_busy(address: str) -> None:
    """Wait until the server works on the other process's request: new requests wait in its queue."""
    with loaded([address], timedelta(seconds=1)) as segmenter:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                segmenter.segment("mobile_sam", [boxes((20, 10, 60, 50))])
            except TritonTimeout:
                return
    pytest.fail("the other process sent nothing")
