"""Inference over gRPC on the servers of one pool, which may come and go.

A request goes to the server with the least open requests of this worker; among equals they take turns.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import TypeVar
from weakref import WeakKeyDictionary

import grpc
from tritonclient.grpc import MAX_GRPC_MESSAGE_SIZE, InferenceServerClient

from samfleet.errors import SamfleetError
from samfleet.logging import get_logger
from samfleet.metrics import TRITON_RETRIES
from samfleet.no_proxy import GRPC_WITHOUT_PROXY
from samfleet.triton_tls import SERVER_NAME, TlsIdentity, derive_identity
from samfleet.wire.messages import SegmentRequest
from samfleet_worker.triton.addresses import UNIX_SOCKET, Endpoint, Resolver, resolve_by_system
from samfleet_worker.triton.calls import OpenCalls
from samfleet_worker.triton.errors import ModelNotLoaded, TritonUnavailable
from samfleet_worker.triton.inputs import tensors_of
from samfleet_worker.triton.membership import Membership
from samfleet_worker.triton.segmenter import ServerStatus, TimedReply
from samfleet_worker.triton.server import TritonServer

log = get_logger(__name__)

MOST_ASKED = 16  # servers asked at the same time

Result = TypeVar("Result")


class TritonSegmenter:
    """Segmenter on the Triton servers of a pool.

    `secret` is the servers' `SAMFLEET_TRITON_SECRET`, None for servers without one.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        timeout: timedelta,
        most_loaded: int | None = None,
        secret: str | None = None,
        resolve: Resolver = resolve_by_system,
    ) -> None:
        identity = derive_identity(secret) if secret else None

        def connected(endpoint: Endpoint) -> TritonServer:
            client = connect(endpoint.address, identity, endpoint.configured)
            return TritonServer(client, endpoint.address, timeout.total_seconds(), most_loaded)

        self._members = Membership(addresses, resolve, connected)
        self._choosing = threading.Lock()
        self._turn = itertools.count(1)
        self._turns: WeakKeyDictionary[TritonServer, int] = WeakKeyDictionary()  # when each got its last request

    def segment(
        self, variant: str, requests: Sequence[SegmentRequest], calls: OpenCalls | None = None
    ) -> tuple[TimedReply, ...]:
        """Send the images to a server, and to others if it is away or has not loaded the variant.

        Raises the error of the last one, `ModelNotLoaded` if any server that is not away has not loaded it.
        """
        inputs, calls = tensors_of(requests), calls or OpenCalls()
        left = list(self._members.require_servers())
        failed: SamfleetError | None = None
        while left:
            if failed:
                reason = failed.code if isinstance(failed, ModelNotLoaded) else "server_away"
                TRITON_RETRIES.labels(variant, reason).inc()
            try:
                with self._next_of(left, variant) as server:
                    return server.segment(variant, inputs, calls)
            except ModelNotLoaded as error:
                failed = error
            except TritonUnavailable as error:
                failed = failed if isinstance(failed, ModelNotLoaded) else error
        raise failed or TritonUnavailable

    @contextmanager
    def _next_of(self, left: list[TritonServer], variant: str) -> Iterator[TritonServer]:
        """Take the best server out of those `left` for one request."""
        offering = {server: len(left) == 1 or server.offers(variant) for server in left}
        with self._choosing:
            server = min(
                left,
                key=lambda server: (
                    server.away,
                    server.failed,
                    not offering[server],
                    server.open_requests,
                    self._turns.get(server, 0),
                ),
            )
            left.remove(server)
            self._turns[server] = next(self._turn)
            server.take()
        try:
            yield server
        finally:
            server.give_back()

    def has(self, variant: str) -> bool:
        return any(self._on_each(lambda server: server.has(variant)))

    def load(self, variant: str, at_work: frozenset[str]) -> None:
        self._on_each(lambda server: server.load(variant, at_work), enough=1)

    def revive(self, variant: str, at_work: frozenset[str], asked_at: float) -> None:
        self._on_each(lambda server: server.revive(variant, at_work, asked_at))

    def refresh(self) -> None:
        self._members.refresh()

    def uneven(self) -> frozenset[str]:
        if not _several(self._members.servers):
            return frozenset()
        loaded = self._on_each(lambda server: (server, server.room.loaded()))
        everywhere = frozenset().union(*(variants for _, variants in loaded))
        return frozenset(
            variant
            for variant in everywhere
            if any(variant not in variants and server.may_load(variant) for server, variants in loaded)
        )

    def status(self) -> tuple[ServerStatus, ...]:
        return tuple(_at_once(TritonServer.status, self._members.servers))

    def close(self) -> None:
        self._members.close()

    def _on_each(self, call: Callable[[TritonServer], Result], enough: int | None = None) -> list[Result]:
        """Return the results of all servers; one that is away is skipped unless all are.

        Other errors are raised, unless `enough` servers have a result: then they are logged.
        """
        results: list[Result] = []
        errors: list[SamfleetError] = []
        for found in _at_once(partial(_tried, call), self._members.require_servers()):
            if isinstance(found, SamfleetError):
                errors.append(found)
            else:
                results.append(found)
        serious = [error for error in errors if not isinstance(error, TritonUnavailable)]
        if serious and (enough is None or len(results) < enough):
            raise serious[0]
        if not results:
            raise errors[-1]
        for error in serious:
            log.warning("pool.server_differs", code=error.code, reason=error.message)
        return results


def _several(servers: Sequence[TritonServer]) -> bool:
    return len(servers) > 1


def _tried(call: Callable[[TritonServer], Result], server: TritonServer) -> Result | SamfleetError:
    try:
        return call(server)
    except SamfleetError as error:
        return error


def _at_once(call: Callable[[TritonServer], Result], servers: Sequence[TritonServer]) -> list[Result]:
    """Call on all servers side by side, so that one that does not answer delays no other; keep their order."""
    if not _several(servers):
        return [call(server) for server in servers]
    with ThreadPoolExecutor(min(len(servers), MOST_ASKED), thread_name_prefix="triton") as threads:
        return list(threads.map(call, servers))


def connect(address: str, identity: TlsIdentity | None, configured: str = "") -> InferenceServerClient:
    """Return a client without a limit on message size and without a proxy; a unix socket needs no TLS.

    A proxy in front of Triton may route by the name: calls carry the `configured` one, not that of the address.
    """
    arguments: list[tuple[str, int | str]] = [
        ("grpc.max_send_message_length", MAX_GRPC_MESSAGE_SIZE),
        ("grpc.max_receive_message_length", MAX_GRPC_MESSAGE_SIZE),
        GRPC_WITHOUT_PROXY,
    ]
    if identity is not None and not address.startswith(UNIX_SOCKET):
        credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
        arguments.append(("grpc.ssl_target_name_override", SERVER_NAME))
        return InferenceServerClient(address, creds=credentials, channel_args=arguments)
    if configured not in {"", address}:
        arguments.append(("grpc.default_authority", configured))
    return InferenceServerClient(address, channel_args=arguments)
