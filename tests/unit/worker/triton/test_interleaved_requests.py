"""Requests of several threads on one client of Triton, at the moment at which `async_infer` mixes them up."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from tritonclient.grpc import InferenceServerClient

from fixtures.servers.echoing_triton import echoing_triton
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.triton import client
from samfleet_worker.triton.client import TritonSegmenter
from samfleet_worker.triton.errors import ReplyMixedUp

PATIENCE = 0.2  # seconds for another thread to come to the same moment; none can while sending is guarded


class Interleaved(InferenceServerClient):  # type: ignore[misc]  # untyped
    """A client in which two threads that send at once both store their call before either sets its callback."""

    barrier = Barrier(2)

    @property
    def _call_future(self) -> Any:
        return self.__dict__["stored"]

    @_call_future.setter
    def _call_future(self, call: Any) -> None:
        self.__dict__["stored"] = call
        with suppress(BrokenBarrierError):
            self.barrier.wait(PATIENCE)


@contextmanager
def segmenter_on(address: str) -> Iterator[TritonSegmenter]:
    with closing(TritonSegmenter([address], timedelta(seconds=20))) as segmenter:
        yield segmenter


def request(size: int) -> SegmentRequest:
    return SegmentRequest(b"x" * size, EverythingParameters())


def test_interleaved_requests_get_their_own_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "InferenceServerClient", Interleaved)
    Interleaved.barrier = Barrier(2)
    sizes = [3, 50]
    with echoing_triton() as address, segmenter_on(address) as segmenter, ThreadPoolExecutor(2) as threads:
        replies = list(threads.map(lambda size: segmenter.segment("any", [request(size)]), sizes))
    assert [timed.reply.report.width for (timed,) in replies] == sizes


def test_the_reply_of_another_request_is_refused() -> None:
    with (
        echoing_triton(lambda request_id: request_id + "0") as address,
        segmenter_on(address) as segmenter,
        pytest.raises(ReplyMixedUp, match="answered request 0 with the reply of '00'"),
    ):
        segmenter.segment("any", [request(3)])
