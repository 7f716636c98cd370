"""Between the wire's tensors and the engine: one request's fault stays its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from samfleet.errors import InvalidInput
from samfleet.masks.wire import Arrays, SegmentRequest, WireMismatch, pack_reply, unpack_request
from samfleet_models.engine import Engine


def serve(engine: Engine, batch: Sequence[Arrays]) -> Iterator[tuple[int, Arrays | WireMismatch]]:
    """(position, reply tensors) of every request of a batch, each as soon as it is ready.

    An invalid task is a reply with an error, like a bad image; tensors that break the contract are a `WireMismatch`.
    """
    requests: dict[int, SegmentRequest] = {}
    for position, arrays in enumerate(batch):
        try:
            requests[position] = unpack_request(arrays, engine.record.everything)
        except InvalidInput as error:
            yield position, pack_reply(engine.refuse(error))
        except WireMismatch as error:
            yield position, error
        except (ValueError, TypeError) as error:
            yield position, WireMismatch(f"the request's tensors do not hold what the contract says: {error}")
    positions = list(requests)
    for index, reply in engine.segment(list(requests.values())):
        yield positions[index], pack_reply(reply)
