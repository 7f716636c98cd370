"""Servers of a pool as they come and go: names are resolved again and again.

| a server | what follows |
|---|---|
| whose address appears | is connected to and gets requests |
| whose address is gone | gets no more requests; its connection is closed after the last reply |
| that stops answering | its open requests are ended, so that others take them; it is tried last until it answers |

A name that cannot be resolved keeps its servers: a name server that is away takes nothing from the pool.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from samfleet.logging import get_logger
from samfleet_worker.triton.addresses import Endpoint, Resolver
from samfleet_worker.triton.errors import TritonUnavailable
from samfleet_worker.triton.server import TritonServer

log = get_logger(__name__)

MOST_WATCHED = 16  # servers asked at the same time


class Membership:
    """Servers of a pool's addresses. Safe to share between threads; `refresh` is for one at a time."""

    def __init__(
        self, addresses: Sequence[str], resolve: Resolver, connected: Callable[[Endpoint], TritonServer]
    ) -> None:
        self._addresses = tuple(addresses)
        self._resolve = resolve
        self._connected = connected
        self._lock = threading.Lock()
        self._listed: dict[Endpoint, TritonServer] = {}  # each address once, even if two names stand for it
        self._leaving: list[TritonServer] = []
        self._unresolved: dict[str, str] = {}  # reason, by configured address
        self._look_up()

    @property
    def servers(self) -> tuple[TritonServer, ...]:
        """Servers that may get requests, in the order of the settings."""
        with self._lock:
            return tuple(self._listed.values())

    def require_servers(self) -> tuple[TritonServer, ...]:
        """Return the servers. Raises `TritonUnavailable` with the reason if there are none."""
        if servers := self.servers:
            return servers
        reasons = "; ".join(self._unresolved.values())
        raise TritonUnavailable(reasons or "the pool has no Triton server; check SAMFLEET_POOLS")

    def refresh(self) -> None:
        """Resolve the names again, ask servers in doubt whether they live, and close those that have left."""
        self._look_up()
        with self._lock:
            every = [*self._listed.values(), *self._leaving]
        doubtful = [server for server in every if server.in_doubt]
        if doubtful:
            with ThreadPoolExecutor(min(len(doubtful), MOST_WATCHED), thread_name_prefix="triton-watch") as threads:
                list(threads.map(TritonServer.watch, doubtful))
        self._close_idle()

    def close(self) -> None:
        with self._lock:
            every = [*self._listed.values(), *self._leaving]
        for server in every:
            server.close()

    def _look_up(self) -> None:
        found: dict[str, Endpoint] = {}
        for configured in self._addresses:
            for endpoint in self._endpoints(configured):
                found.setdefault(endpoint.address, endpoint)
        with self._lock:
            former = self._listed
            self._listed = {endpoint: former.get(endpoint) or self._connected(endpoint) for endpoint in found.values()}
            gone = [server for endpoint, server in former.items() if endpoint not in self._listed]
            self._leaving += gone
            joined = [endpoint for endpoint in self._listed if endpoint not in former]
        for endpoint in joined if former else ():
            log.info("pool.server_joined", address=endpoint.address, configured=endpoint.configured)
        for server in gone:
            log.info("pool.server_left", address=server.address, open_requests=server.open_requests)

    def _endpoints(self, configured: str) -> list[Endpoint]:
        try:
            addresses = self._resolve(configured)
        except TritonUnavailable as error:
            if configured not in self._unresolved:
                log.warning("pool.name_not_resolved", configured=configured, reason=error.message)
            self._unresolved[configured] = error.message
            return [endpoint for endpoint in self._listed if endpoint.configured == configured]
        self._unresolved.pop(configured, None)
        if not addresses:
            self._unresolved[configured] = f"{configured} of SAMFLEET_POOLS has no address now"
        return [Endpoint(address, configured) for address in addresses]

    def _close_idle(self) -> None:
        with self._lock:
            self._leaving = [server for server in self._leaving if not server.close_if_idle()]
