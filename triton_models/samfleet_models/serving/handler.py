"""Converts between the wire's tensors and the engine. A bad request does not affect the others of its batch."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from samfleet.errors import InvalidInput, SamfleetError, describe
from samfleet.wire.messages import SegmentReply, SegmentRequest
from samfleet.wire.tensors import Arrays, WireMismatch, image_rows, pack_replies, unpack_request
from samfleet_models.batching.cancellation import Cancelled, RequestCancelled, never
from samfleet_models.serving.engine import Engine


@dataclass(slots=True)
class OpenRequest:
    """A request's images: those to segment by their place in it, and the replies so far."""

    images: int = 0
    requests: dict[int, SegmentRequest] = field(default_factory=dict)
    replies: dict[int, SegmentReply] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.replies) == self.images


def serve(
    engine: Engine, batch: Mapping[int, Arrays], cancelled: Mapping[int, Cancelled] | None = None
) -> Iterator[tuple[int, Arrays | SamfleetError]]:
    """Yield (position, reply tensors) of every request of a batch, each as soon as all its images are ready.

    An invalid task becomes a reply with an error, like a bad image. Tensors that break the contract become a
    `WireMismatch`, and a cancelled request becomes `RequestCancelled`.
    """
    started = time.perf_counter()
    opened: dict[int, OpenRequest] = {}
    for position, arrays in batch.items():
        try:
            opened[position] = _open(engine, arrays)
        except WireMismatch as error:
            yield position, error
        except Exception as error:  # noqa: BLE001 — arbitrary tensors can raise nearly any exception
            yield position, WireMismatch(f"the request's tensors break the contract: {describe(error)}")
    places = [(position, place) for position, request in opened.items() for place in request.requests]
    for position in [position for position, request in opened.items() if request.complete]:
        yield position, _packed(opened[position], started)
    requests = [opened[position].requests[place] for position, place in places]
    cancellations = [(cancelled or {}).get(position, never) for position, _place in places]
    for index, reply in engine.segment(requests, cancellations) if requests else ():
        position, place = places[index]
        opened[position].replies[place] = reply
        if opened[position].complete:
            yield position, _packed(opened.pop(position), started)


def _open(engine: Engine, arrays: Arrays) -> OpenRequest:
    request = OpenRequest()
    for place, row in enumerate(image_rows(arrays)):
        request.images += 1
        try:
            request.requests[place] = unpack_request(*row, engine.record.everything)
        except InvalidInput as error:
            request.replies[place] = engine.refuse(error)
    return request


def _packed(request: OpenRequest, started: float) -> Arrays | SamfleetError:
    replies = [request.replies[place] for place in range(request.images)]
    if any(reply.report.error_code == RequestCancelled.code for reply in replies):
        return RequestCancelled()
    if len(replies) > 1:  # an image waited for the others
        execute_ms = (time.perf_counter() - started) * 1e3
        replies = [replace(reply, report=replace(reply.report, execute_ms=execute_ms)) for reply in replies]
    return pack_replies(replies)
