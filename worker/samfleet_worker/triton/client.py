"""Inference over gRPC on the servers of one pool, in turn.

tritonclient's gRPC client may be shared between threads for everything but streams (its own documentation), so each
server has one client, one connection and any number of requests on it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import grpc
from tritonclient.grpc import MAX_GRPC_MESSAGE_SIZE, InferenceServerClient, InferInput

from samfleet.errors import SamfleetError
from samfleet.masks.wire import INPUTS, OUTPUTS, SegmentRequest, WireMismatch, pack_request, unpack_reply
from samfleet.metrics import TRITON_IN_PROGRESS, TRITON_REQUESTS, TRITON_RETRIES
from samfleet.tracing import span, trace_headers
from samfleet.triton_tls import SERVER_NAME, TlsIdentity, derive_identity
from samfleet_worker.triton.devices import DeviceBook
from samfleet_worker.triton.errors import TritonUnavailable, mapped_errors
from samfleet_worker.triton.room import CONTROL_SECONDS, ServerRoom
from samfleet_worker.triton.segmenter import ServerStatus, TimedReply

WIRE_TYPES = {"TYPE_UINT8": "UINT8", "TYPE_INT32": "INT32", "TYPE_FP32": "FP32", "TYPE_STRING": "BYTES"}

UNIX_SOCKET = "unix:"  # how gRPC writes addresses of this kind

Answer = TypeVar("Answer")


class TritonSegmenter:
    """`secret` is what the servers were started with (`SAMFLEET_TRITON_SECRET`), None for servers without one."""

    def __init__(
        self, addresses: Sequence[str], timeout: timedelta, most_loaded: int | None = None, secret: str | None = None
    ) -> None:
        identity = derive_identity(secret) if secret else None
        self._servers = [
            _Server(connect(address, identity), address, timeout.total_seconds(), most_loaded) for address in addresses
        ]
        self._turn = itertools.count()

    def segment(self, variant: str, request: SegmentRequest) -> TimedReply:
        """Ask the next server in turn, and the others when it is away; raises what the last one said."""
        inputs = _inputs(request)
        first = next(self._turn)
        away = TritonUnavailable("the pool has no Triton server; check SAMFLEET_POOLS")
        for step in range(len(self._servers)):
            if step:
                TRITON_RETRIES.labels(variant, "server_away").inc()
            try:
                return self._servers[(first + step) % len(self._servers)].segment(variant, inputs)
            except TritonUnavailable as error:
                away = error
        raise away

    def has(self, variant: str) -> bool:
        return all(self._of_each(lambda server: server.room.has(variant)))

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        self._of_each(lambda server: server.room.load(variant, at_work))

    def status(self) -> tuple[ServerStatus, ...]:
        return tuple(server.status() for server in self._servers)

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def _of_each(self, ask: Callable[[_Server], Answer]) -> list[Answer]:
        """What every server answers; one that is away is passed over unless all are."""
        answers, away = [], TritonUnavailable("the pool has no Triton server; check SAMFLEET_POOLS")
        for server in self._servers:
            try:
                answers.append(ask(server))
            except TritonUnavailable as error:
                away = error
        if not answers:
            raise away
        return answers


class _Server:
    def __init__(
        self, client: InferenceServerClient, address: str, timeout_seconds: float, most_loaded: int | None
    ) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._client = client
        self._devices = DeviceBook()
        self.room = ServerRoom(self._client, address, most_loaded)

    def segment(self, variant: str, inputs: list[InferInput]) -> TimedReply:
        started = time.perf_counter()
        outcome = "ok"
        with (
            TRITON_IN_PROGRESS.track_inprogress(),
            span("triton", kind="client", server__address=self._address, samfleet__variant=variant),
        ):
            try:
                return self._ask(variant, inputs, started)
            except SamfleetError as error:
                outcome = error.code
                raise
            finally:
                TRITON_REQUESTS.labels(variant, outcome).observe(time.perf_counter() - started)

    def _ask(self, variant: str, inputs: list[InferInput], started: float) -> TimedReply:
        """Triton in its OpenTelemetry mode takes the trace context from the call's metadata as its spans' parent."""
        with mapped_errors(self._address):
            timeout, headers = self._timeout_seconds, trace_headers() or None
            result = self._client.infer(variant, inputs, client_timeout=timeout, headers=headers)
            round_trip_ms = (time.perf_counter() - started) * 1e3
            arrays = {name: result.as_numpy(name) for name in OUTPUTS}
        if missing := sorted(name for name, array in arrays.items() if array is None):
            raise WireMismatch(f"Triton at {self._address} answered without {', '.join(missing)}; deploy one release")
        reply = unpack_reply(arrays)
        self._devices.hear(reply.report)
        return TimedReply(reply, round_trip_ms)

    def status(self) -> ServerStatus:
        try:
            with mapped_errors(self._address):
                if not self._client.is_server_ready(client_timeout=CONTROL_SECONDS):
                    return ServerStatus(self._address, ready=False)
                version = self._client.get_server_metadata(client_timeout=CONTROL_SECONDS).version
            loaded = sorted(self.room.loaded())
        except SamfleetError:
            return ServerStatus(self._address, ready=False)
        devices = self._devices.devices()
        return ServerStatus(self._address, ready=True, version=version, variants=tuple(loaded), devices=devices)

    def close(self) -> None:
        self._client.close()


def connect(address: str, identity: TlsIdentity | None) -> InferenceServerClient:
    """A client without a limit on the size of messages; a server on a unix socket has no use for TLS."""
    if identity is None or address.startswith(UNIX_SOCKET):
        return InferenceServerClient(address)
    credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
    arguments = [
        ("grpc.max_send_message_length", MAX_GRPC_MESSAGE_SIZE),
        ("grpc.max_receive_message_length", MAX_GRPC_MESSAGE_SIZE),
        ("grpc.ssl_target_name_override", SERVER_NAME),
    ]
    return InferenceServerClient(address, creds=credentials, channel_args=arguments)


def _inputs(request: SegmentRequest) -> list[InferInput]:
    inputs = []
    for name, array in pack_request(request).items():
        tensor = InferInput(name, list(array.shape), WIRE_TYPES[INPUTS[name][0]])
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs
