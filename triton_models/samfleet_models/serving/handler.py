"""Converts between the wire's tensors and the engine. A bad request does not affect the others of its batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from samfleet.errors import InvalidInput, SamfleetError, describe
from samfleet.wire.messages import Arrays, SegmentReply, SegmentRequest, WireMismatch, pack_reply, unpack_request
from samfleet_models.batching.cancellation import Cancelled, RequestCancelled, never
from samfleet_models.serving.engine import Engine


def serve(
    engine: Engine, batch: Mapping[int, Arrays], cancelled: Mapping[int, Cancelled] | None = None
) -> Iterator[tuple[int, Arrays | SamfleetError]]:
    """Yield (position, reply tensors) of every request of a batch, each as soon as it is ready.

    An invalid task becomes a reply with an error, like a bad image. Tensors that break the contract become a
    `WireMismatch`, and a cancelled request becomes `RequestCancelled`.
    """
    requests: dict[int, SegmentRequest] = {}
    for position, arrays in batch.items():
        try:
            requests[position] = unpack_request(arrays, engine.record.everything)
        except InvalidInput as error:
            yield position, pack_reply(engine.refuse(error))
        except WireMismatch as error:
            yield position, error
        except Exception as error:  # noqa: BLE001 — arbitrary tensors can raise nearly any exception
            yield position, WireMismatch(f"the request's tensors break the contract: {describe(error)}")
    positions = list(requests)
    cancellations = [(cancelled or {}).get(position, never) for position in positions]
    for index, reply in engine.segment(list(requests.values()), cancellations):
        yield positions[index], _packed(reply)


def _packed(reply: SegmentReply) -> Arrays | SamfleetError:
    return RequestCancelled() if reply.report.error_code == RequestCancelled.code else pack_reply(reply)
