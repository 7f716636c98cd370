"""One Triton server of a pool: one client, one connection and any number of requests on it.

tritonclient documents that a gRPC client may be shared between threads for everything but streams. In 2.73 that is
wrong for `async_infer`: it keeps the call in an attribute of the client until it has set the call's callback, so of two
threads at once both may get the reply of the second (issue 2616 of triton-inference-server/server describes replies of
neighbours). So a lock guards the sending, and every reply must have the id of its request.
"""

from __future__ import annotations

import itertools
import threading
import time
from queue import SimpleQueue

from tritonclient.grpc import InferenceServerClient, InferInput, InferResult
from tritonclient.utils import InferenceServerException

from samfleet.errors import SamfleetError
from samfleet.logging import get_logger
from samfleet.metrics import TRITON_IN_PROGRESS, TRITON_REQUESTS
from samfleet.tracing import span, trace_headers
from samfleet.variants.task import EverythingParameters
from samfleet.wire.messages import SegmentRequest
from samfleet.wire.tensors import OUTPUTS, WireMismatch, unpack_replies
from samfleet_worker.triton.calls import CallCancelled, OpenCalls
from samfleet_worker.triton.devices import DeviceBook
from samfleet_worker.triton.errors import (
    ModelNotLoaded,
    ModelProcessDied,
    ReplyMixedUp,
    TritonTimeout,
    TritonUnavailable,
    VariantWaits,
    mapped_errors,
    status_name,
)
from samfleet_worker.triton.inputs import tensors_of
from samfleet_worker.triton.loaded_variants import CONTROL_SECONDS, LoadedVariants
from samfleet_worker.triton.segmenter import ServerStatus, TimedReply

log = get_logger(__name__)

PROBE = SegmentRequest(b"0", EverythingParameters())  # not an image: the backend replies with an error without any work
MOST_SILENT = 4  # looks without a reply, of `CONTROL_SECONDS` each, after which a server counts as away
REFUSED_SECONDS = 60.0  # until a variant that a server could not load is tried there again


class TritonServer:
    """Requests to one server, and what is known of it."""

    def __init__(
        self, client: InferenceServerClient, address: str, timeout_seconds: float, most_loaded: int | None
    ) -> None:
        self.address = address
        self._timeout_seconds = timeout_seconds
        self._client = client
        self._sending = threading.Lock()
        self._numbers = itertools.count()
        self._devices = DeviceBook()
        self._died: set[str] = set()  # variants whose process was found dead and has not replied since
        self._revived: dict[str, float] = {}  # time of each restart, by this process's monotonic clock
        self._counting = threading.Lock()
        self._open, self._open_requests, self._closed = OpenCalls(), 0, False
        self._silent = 0  # looks in a row without a reply
        self._failed = False  # since the last look
        self._offers: dict[str, bool] = {}  # by variant, as last seen
        self._refused: dict[str, float] = {}  # time of a load that failed
        self.room = LoadedVariants(self._client, address, most_loaded)

    @property
    def away(self) -> bool:
        """True if the server has not answered several times in a row; it is tried after all others."""
        return self._silent >= MOST_SILENT

    @property
    def failed(self) -> bool:
        """True if the server did not answer the last time."""
        return self._failed or self._silent > 0

    @property
    def in_doubt(self) -> bool:
        """True if a look is due: requests wait for the server, or it did not answer the last time."""
        return bool(self._open_requests) or self.failed

    @property
    def open_requests(self) -> int:
        return self._open_requests

    def take(self) -> None:
        """Count a request that is about to be sent. Raises `TritonUnavailable` if the connection was closed."""
        with self._counting:
            if self._closed:
                raise TritonUnavailable(f"Triton at {self.address} has left the pool")
            self._open_requests += 1

    def give_back(self) -> None:
        """Count a request that was taken as ended."""
        with self._counting:
            self._open_requests -= 1

    def watch(self) -> None:
        """Look whether the server lives. One that is away loses its open requests, so that other servers get them."""
        self._failed = False
        if self._is_live():
            if self.away:
                log.info("pool.server_back", address=self.address)
            self._silent = 0
            return
        self._silent += 1
        self._offers.clear()
        if self._silent == MOST_SILENT:
            log.warning("pool.server_away", address=self.address, open_requests=self._open_requests)
        if self.away:
            with self._counting:
                lost, self._open = self._open, OpenCalls()
            lost.cancel()

    def offers(self, variant: str) -> bool:
        """Return False if the server is known not to have the variant loaded; it is asked once."""
        if variant not in self._offers:
            try:
                self.has(variant)
            except TritonUnavailable:
                self._failed = True
                self._offers[variant] = True  # until the next look
        return self._offers[variant]

    def has(self, variant: str) -> bool:
        self._offers[variant] = self.room.has(variant)
        return self._offers[variant]

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        """Load the variant unless it is loaded; see `LoadedVariants.load`."""
        try:
            if not self.has(variant):
                self.room.load(variant, at_work)
        except TritonUnavailable:
            self._failed = True
            raise
        except SamfleetError:
            self._refused[variant] = time.monotonic()
            raise
        self._offers[variant] = True

    def may_load(self, variant: str) -> bool:
        """Return False if the server could not load the variant within the last minute."""
        return time.monotonic() - self._refused.get(variant, float("-inf")) > REFUSED_SECONDS

    def segment(self, variant: str, inputs: list[InferInput], calls: OpenCalls) -> tuple[TimedReply, ...]:
        """Send a request that was taken."""
        started = time.perf_counter()
        outcome = "ok"
        with (
            TRITON_IN_PROGRESS.track_inprogress(),
            span("triton", kind="client", server__address=self.address, samfleet__variant=variant),
        ):
            try:
                return self._infer(variant, inputs, started, calls)
            except SamfleetError as error:
                outcome = error.code
                self._note(variant, error)
                if isinstance(error, TritonTimeout) and not self._is_live():
                    raise TritonUnavailable(f"Triton at {self.address} does not answer") from error
                raise
            finally:
                TRITON_REQUESTS.labels(variant, outcome).observe(time.perf_counter() - started)

    def _note(self, variant: str, error: SamfleetError) -> None:
        if isinstance(error, ModelProcessDied):
            self._died.add(variant)
        elif isinstance(error, ModelNotLoaded):
            self._offers[variant] = False
        elif isinstance(error, TritonUnavailable):
            self._failed = True

    def _infer(
        self, variant: str, inputs: list[InferInput], started: float, calls: OpenCalls
    ) -> tuple[TimedReply, ...]:
        """Send the request and unpack the reply.

        In its OpenTelemetry mode Triton takes the trace context from the call's metadata as the parent of its spans.
        """
        with mapped_errors(self.address):
            result = self._wait(variant, inputs, calls)
            round_trip_ms = (time.perf_counter() - started) * 1e3
            arrays = {name: result.as_numpy(name) for name in OUTPUTS}
        if missing := sorted(name for name, array in arrays.items() if array is None):
            raise WireMismatch(f"Triton at {self.address} replied without {', '.join(missing)}; deploy one release")
        replies = unpack_replies(arrays)
        self._died.discard(variant)
        for reply in replies:
            self._devices.hear(reply.report)
        return tuple(TimedReply(reply, round_trip_ms) for reply in replies)

    def _wait(self, variant: str, inputs: list[InferInput], calls: OpenCalls) -> InferResult:
        """Wait for the result. Triton ends its work on a cancelled call, after the timeout, and for a dead caller."""
        calls.check()
        reply: SimpleQueue[tuple[InferResult | None, InferenceServerException | None]] = SimpleQueue()
        request_id, own = str(next(self._numbers)), self._open
        with self._sending:
            call = self._client.async_infer(
                variant,
                inputs,
                lambda result, error: reply.put((result, error)),
                request_id=request_id,
                client_timeout=self._timeout_seconds,
                headers=trace_headers() or None,
            )
        with calls.opened(call.cancel), own.opened(call.cancel):
            result, error = reply.get()
        if error is None:
            return _own(result, request_id, self.address)
        if status_name(error) == "CANCELLED":
            if calls.cancelled:
                raise CallCancelled from error
            if own.cancelled:
                raise TritonUnavailable(f"Triton at {self.address} does not answer") from error
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
                f"the process of {variant} has died and Triton at {self.address} does not start it again "
                f"({error.message}); restart this Triton"
            ) from error
        self._died.discard(variant)
        self._revived[variant] = time.monotonic()

    def _serves(self, variant: str) -> bool:
        """Return True if the variant's process lives: a dead one's queue refuses at once, a busy one's does not."""
        try:
            with mapped_errors(self.address):
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
            with mapped_errors(self.address):
                if not self._client.is_server_ready(client_timeout=CONTROL_SECONDS):
                    return ServerStatus(self.address, ready=False, loading=self.room.loading())
                version = self._client.get_server_metadata(client_timeout=CONTROL_SECONDS).version
            loaded = sorted(self.room.loaded())
        except SamfleetError:
            self._failed = True
            return ServerStatus(self.address, ready=False, loading=self.room.loading())
        died = tuple(sorted(self._died.intersection(loaded)))
        return ServerStatus(
            self.address,
            ready=not died,
            version=version,
            variants=tuple(loaded),
            loading=self.room.loading(),
            devices=self._devices.devices(),
            died=died,
            without_weights=self.room.without_weights(),
        )

    def close_if_idle(self) -> bool:
        """Close the connection unless requests are open; return whether it is closed."""
        with self._counting:
            if self._open_requests:
                return False
            self._closed = True
        self.close()
        return True

    def close(self) -> None:
        self._client.close()


def _own(result: InferResult, request_id: str, address: str) -> InferResult:
    """Return the result if it is the reply to this request; raise `ReplyMixedUp` otherwise."""
    if (found := result.get_response().id) != request_id:
        raise ReplyMixedUp(f"Triton at {address} answered request {request_id} with the reply of {found!r}")
    return result
