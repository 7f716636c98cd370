"""Inference over gRPC on the servers of one pool, in turn.

tritonclient's gRPC client may be shared between threads for everything but streams (its own documentation), so each
server has one client, one connection and any number of requests on it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from samfleet.errors import SamfleetError
from samfleet.masks.wire import INPUTS, OUTPUTS, SegmentRequest, WireMismatch, pack_request, unpack_reply
from samfleet_worker.triton.errors import ModelNotLoaded, TritonUnavailable, from_load, from_triton
from samfleet_worker.triton.segmenter import ServerStatus, TimedReply

LOAD_SECONDS = 600.0  # reading weights from a cold disk and warming a GPU up
CONTROL_SECONDS = 5.0  # questions that a server answers from memory
WIRE_TYPES = {"TYPE_UINT8": "UINT8", "TYPE_INT32": "INT32", "TYPE_FP32": "FP32", "TYPE_STRING": "BYTES"}


class TritonSegmenter:
    def __init__(self, addresses: Sequence[str], timeout: timedelta) -> None:
        self._servers = [_Server(address, timeout.total_seconds()) for address in addresses]
        self._turn = itertools.count()

    def segment(self, variant: str, request: SegmentRequest) -> TimedReply:
        """Ask the next server in turn, and the others when it is away; raises what the last one said."""
        inputs = _inputs(request)
        first = next(self._turn)
        away = TritonUnavailable("the pool has no Triton server; check SAMFLEET_POOLS")
        for step in range(len(self._servers)):
            try:
                return self._servers[(first + step) % len(self._servers)].segment(variant, inputs)
            except TritonUnavailable as error:
                away = error
        raise away

    def status(self) -> tuple[ServerStatus, ...]:
        return tuple(server.status() for server in self._servers)

    def close(self) -> None:
        for server in self._servers:
            server.close()


class _Server:
    def __init__(self, address: str, timeout_seconds: float) -> None:
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._client = InferenceServerClient(address)
        self._loaded: set[str] = set()
        self._loading = threading.Lock()

    def segment(self, variant: str, inputs: list[InferInput]) -> TimedReply:
        self._ensure_loaded(variant)
        try:
            return self._infer(variant, inputs)
        except ModelNotLoaded:  # the server was restarted, or made room for another variant
            self._loaded.discard(variant)
        self._ensure_loaded(variant)
        return self._infer(variant, inputs)

    def _infer(self, variant: str, inputs: list[InferInput]) -> TimedReply:
        with self._mapped():
            started = time.perf_counter()
            result = self._client.infer(variant, inputs, client_timeout=self._timeout_seconds)
            round_trip_ms = (time.perf_counter() - started) * 1e3
            arrays = {name: result.as_numpy(name) for name in OUTPUTS}
        if missing := sorted(name for name, array in arrays.items() if array is None):
            raise WireMismatch(f"Triton at {self._address} answered without {', '.join(missing)}; deploy one release")
        return TimedReply(unpack_reply(arrays), round_trip_ms)

    def _ensure_loaded(self, variant: str) -> None:
        """Load the variant by explicit model control, once for all threads that want it."""
        if variant in self._loaded:
            return
        with self._loading:
            if variant in self._loaded:
                return
            with self._mapped():
                ready = self._client.is_model_ready(variant, client_timeout=CONTROL_SECONDS)
            if not ready:
                try:
                    self._client.load_model(variant, client_timeout=LOAD_SECONDS)
                except InferenceServerException as error:
                    raise from_load(error, self._address, variant) from error
            self._loaded.add(variant)

    def status(self) -> ServerStatus:
        try:
            with self._mapped():
                if not self._client.is_server_ready(client_timeout=CONTROL_SECONDS):
                    return ServerStatus(self._address, ready=False)
                version = self._client.get_server_metadata(client_timeout=CONTROL_SECONDS).version
                index = self._client.get_model_repository_index(client_timeout=CONTROL_SECONDS)
        except SamfleetError:
            return ServerStatus(self._address, ready=False)
        loaded = sorted({model.name for model in index.models if model.state == "READY"})
        return ServerStatus(self._address, ready=True, version=version, variants=tuple(loaded))

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except InferenceServerException as error:
            raise from_triton(error, self._address) from error


def _inputs(request: SegmentRequest) -> list[InferInput]:
    inputs = []
    for name, array in pack_request(request).items():
        tensor = InferInput(name, list(array.shape), WIRE_TYPES[INPUTS[name][0]])
        tensor.set_data_from_numpy(array)
        inputs.append(tensor)
    return inputs
