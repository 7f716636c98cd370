"""Inference over gRPC on the servers of one pool, by round robin.

Each server has one client, one connection and any number of requests on it. tritonclient documents that a gRPC client
may be shared between threads for everything but streams. In 2.73 that is wrong for `async_infer`: it keeps the call in
an attribute of the client until it has set the call's callback, so of two threads at once both may get the reply of the
second (issue 2616 of triton-inference-server/server describes replies of neighbours). So a lock guards the sending, and
every reply must have the id of its request.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from queue import SimpleQueue
from typing import TypeVar

import grpc
from tritonclient.grpc import MAX_GRPC_MESSAGE_SIZE, InferenceServerClient, InferInput, InferResult
from tritonclient.utils import InferenceServerException

from samfleet.errors import SamfleetError
from samfleet.metrics import TRITON_IN_PROGRESS, TRITON_REQUESTS, TRITON_RETRIES
from samfleet.no_proxy import GRPC_WITHOUT_PROXY
from samfleet.tracing import span, trace_headers
from samfleet.triton_tls import SERVER_NAME, TlsIdentity, derive_identity
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet.wire.tensors import OUTPUTS, WireMismatch, pack_requests, unpack_replies
from samfleet_worker.triton.calls import CallCancelled, OpenCalls
from samfleet_worker.triton.devices import DeviceBook
from samfleet_worker.triton.errors import (
    ModelProcessDied,
    ReplyMixedUp,
    TritonTimeout,
    TritonUnavailable,
    VariantWaits,
    mapped_errors,
    status_name,
)
from samfleet_worker.triton.loaded_variants import CONTROL_SECONDS, LoadedVariants
from samfleet_worker.triton.segmenter import ServerStatus, TimedReply

PROBE = SegmentRequest(b"0", EverythingParameters())  # not an image: the backend replies with an error without any work
UNIX_SOCKET = "unix:"  # prefix of such addresses in gRPC

Result = TypeVar("Result")


class TritonSegmenter:
    """Segmenter on the Triton servers of a pool.

    `secret` is the servers' `SAMFLEET_TRITON_SECRET`, None for servers without one.
    """

    def __init__(
        self, addresses: Sequence[str], timeout: timedelta, most_loaded: int | None = None, secret: str | None = None
    ) -> None:
        identity = derive_identity(secret) if secret else None
        self._servers = [
            _Server(connect(address, identity), address, timeout.total_seconds(), most_loaded) for address in addresses
        ]
        self._turn = itertools.count()

    def segment(
        self, variant: str, requests: Sequence[SegmentRequest], calls: OpenCalls | None = None
    ) -> tuple[TimedReply, ...]:
        """Send the images to the next server, and to the others if it is away; raises the error of the last one."""
        inputs, calls = tensors_of(requests), calls or OpenCalls()
        first = next(self._turn)
        away = TritonUnavailable("the pool has no Triton server; check SAMFLEET_POOLS")
        for step in range(len(self._servers)):
            if step:
                TRITON_RETRIES.labels(variant, "server_away").inc()
            try:
                return self._servers[(first + step) % len(self._servers)].segment(variant, inputs, calls)
            except TritonUnavailable as error:
                away = error
        raise away

    def has(self, variant: str) -> bool:
        return all(self._on_each(lambda server: server.room.has(variant)))

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        self._on_each(lambda server: server.room.load(variant, at_work))

    def revive(self, variant: str, at_work: frozenset[str], asked_at: float) -> None:
        self._on_each(lambda server: server.revive(variant, at_work, asked_at))

    def status(self) -> tuple[ServerStatus, ...]:
        return tuple(server.status() for server in self._servers)

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _on_each(self, call: Callable[[_Server], Result]) -> list[Result]:
        """Return the results of all servers; one that is away is skipped unless all are."""
        results, away = [], TritonUnavailable("the pool has no Triton server; check SAMFLEET_POOLS")
        for server in self._servers:
            try:
                results.append(call(server))
            except TritonUnavailable as error:
                away = error
        if not results:
            raise away
        return results


class _Server:
    def __init__(
        self, client: InferenceServerClient, address: str, timeout_seconds: float, most_loaded: int | None
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._client = client
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._devices = DeviceBook()
        self._died: set[str] = set()  # variants whose process was found dead and has not replied since
        self._revived: dict[str, float] = {}  # time of each restart, by this process's monotonic clock
        self.room = LoadedVariants(self._client, address, most_loaded)

    def segment(self, variant: str, inputs: list[InferInput], calls: OpenCalls) -> tuple[TimedReply, ...]:
        started = time.perf_counter()
        outcome = "ok"
        with (
            TRITON_IN_PROGRESS.track_inprogress(),
            span("triton", kind="client", server__address=self._address, samfleet__variant=variant),
        ):
            try:
                return self._infer(variant, inputs, started, calls)
            except SamfleetError as error:
                outcome = error.code
                if isinstance(error, ModelProcessDied):
                    self._died.add(variant)
                elif isinstance(error, TritonTimeout) and not self._is_live():
                    raise TritonUnavailable(f"Triton at {self._address} does not answer") from error
                raise
            finally:
                TRITON_REQUESTS.labels(variant, outcome).observe(time.perf_counter() - started)

    def _infer(
        self, variant: str, inputs: list[InferInput], started: float, calls: OpenCalls
    ) -> tuple[TimedReply, ...]:
        """Send the request and unpack the reply.

        In its OpenTelemetry mode Triton takes the trace context from the call's metadata as the parent of its spans.
        """
        with mapped_errors(self._address):
            result = self._wait(variant, inputs, calls)
            round_trip_ms = (time.perf_counter() - started) * 1e3
            arrays = {name: result.as_numpy(name) for name in OUTPUTS}
        if missing := sorted(name for name, array in arrays.items() if array is None):
            raise WireMismatch(f"Triton at {self._address} replied without {', '.join(missing)}; deploy one release")
        replies = unpack_replies(arrays)
        self._died.discard(variant)
        for reply in replies:
            self._devices.hear(reply.report)
        return tuple(TimedReply(reply, round_trip_ms) for reply in replies)

    def _wait(self, variant: str, inputs: list[InferInput], calls: OpenCalls) -> InferResult:
        """Wait for the result. Triton ends its work on a cancelled call, after the timeout, and for a dead caller."""
        calls.check()
        reply: SimpleQueue[tuple[InferResult | None, InferenceServerException | None]] = SimpleQueue()
        request_id = str(next(self._numbers))
        with self._sending:
            call = self._client.async_infer(
                variant,
                inputs,
                lambda result, error: reply.put((result, error)),
                request_id=request_id,
                client_timeout=self._timeout_seconds,
                headers=trace_headers() or None,
            )
        with calls.opened(call.cancel):
            result, error = reply.get()
        if error is None:
            return _own(result, request_id, self._address)
        if calls.cancelled and status_name(error) == "CANCELLED":
            raise CallCancelled from error
        raise error

    def _is_live(self) -> bool:
        """Return True if the server is live, which distinguishes a slow image from a dead server."""
        try:
            return bool(self._client.is_server_live(client_timeout=CONTROL_SECONDS))
        except InferenceServerException:
            return False

    def revive(self, variant: str, at_work: frozenset[str], asked_at: float) -> None:
        if self._revived.get(variant, float("-inf")) > asked_at or self._serves(variant):
            return
        try:
            self.room.revive(variant, at_work)
        except VariantWaits:
            raise
        except SamfleetError as error:
            raise TritonUnavailable(
                f"the process of {variant} has died and Triton at {self._address} does not start it again "
                f"({error.message}); restart this Triton"
            ) from error
        self._died.discard(variant)
        self._revived[variant] = time.monotonic()

    def _serves(self, variant: str) -> bool:
        """Return True if the variant's process lives: a dead one's queue refuses at once, a busy one's does not."""
        try:
            with mapped_errors(self._address):
                self._client.infer(variant, tensors_of([PROBE]), client_timeout=CONTROL_SECONDS)
        except ModelProcessDied:
            return False
        except TritonUnavailable:
            raise
        except SamfleetError:
            return True
        return True

    def status(self) -> ServerStatus:
        try:
            with mapped_errors(self._address):
                if not self._client.is_server_ready(client_timeout=CONTROL_SECONDS):
                    return ServerStatus(self._address, ready=False)
                version = self._client.get_server_metadata(client_timeout=CONTROL_SECONDS).version
            loaded = sorted(self.room.loaded())
        except SamfleetError:
            return ServerStatus(self._address, ready=False)
        died = tuple(sorted(self._died.intersection(loaded)))
        return ServerStatus(
            self._address,
            ready=not died,
            version=version,
            variants=tuple(loaded),
            devices=self._devices.devices(),
            died=died,
            without_weights=self.room.without_weights(),
        )

    def close(self) -> None:
        self._client.close()


def connect(address: str, identity: TlsIdentity | None) -> InferenceServerClient:
    """Return a client without a limit on message size and without a proxy; a unix socket needs no TLS."""
    arguments: list[tuple[str, int | str]] = [
        ("grpc.max_send_message_length", MAX_GRPC_MESSAGE_SIZE),
        ("grpc.max_receive_message_length", MAX_GRPC_MESSAGE_SIZE),
        GRPC_WITHOUT_PROXY,
    ]
    if identity is None or address.startswith(UNIX_SOCKET):
        return InferenceServerClient(address, channel_args=arguments)
    credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
    arguments.append(("grpc.ssl_target_name_override", SERVER_NAME))
    return InferenceServerClient(address, creds=credentials, channel_args=arguments)


def _own(result: InferResult, request_id: str, address: str) -> InferResult:
    """Return the result if it is the reply to this request; raise `ReplyMixedUp` otherwise."""
    if (found := result.get_response().id) != request_id:
        raise ReplyMixedUp(f"Triton at {address} answered request {request_id} with the reply of {found!r}")
    return result


def tensors_of(requests: Sequence[SegmentRequest]) -> list[InferInput]:
    """Return the inputs of a request to Triton with these images."""
    inputs = []
    for name, column in pack_requests(requests).items():
        tensor = InferInput(name, list(column.shape), "BYTES")
        tensor.set_data_from_numpy(column)
        inputs.append(tensor)
    return inputs
