"""Between the wire's tensors and the engine: one request's fault stays its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from samfleet.errors import InvalidInput, SamfleetError, describe
from samfleet.wire.messages import Arrays, SegmentReply, SegmentRequest, WireMismatch, pack_reply, unpack_request
from samfleet_models.batching.cancellation import Cancelled, RequestCancelled, never
from samfleet_models.serving.engine import Engine


def serve(
    engine: Engine, batch: Mapping[int, Arrays], cancelled: Mapping[int, Cancelled] | None = None
) -> Iterator[tuple[int, Arrays | SamfleetError]]:
    """(position, reply tensors) of every request of a batch, each as soon as it is ready.

    An invalid task is a reply with an error, like a bad image; tensors that break the contract are a `WireMismatch`,
    and a request that was cancelled has `RequestCancelled`.
    """
    requests: dict[int, SegmentRequest] = {}
    for position, arrays in batch.items():
        try:
            requests[position] = unpack_request(arrays, engine.record.everything)
        except InvalidInput as error:
            yield position, pack_reply(engine.refuse(error))
        except WireMismatch as error:
            yield position, error
        except Exception as error:  # noqa: BLE001 — tensors that hold anything raise nearly anything
            yield position, WireMismatch(f"the request's tensors do not hold what the contract says: {describe(error)}")
    positions = list(requests)
    asked = [(cancelled or {}).get(position, never) for position in positions]
    for index, reply in engine.segment(list(requests.values()), asked):
        yield positions[index], _packed(reply)


def _packed(reply: SegmentReply) -> Arrays | SamfleetError:
    return RequestCancelled() if reply.report.error_code == RequestCancelled.code else pack_reply(reply)
