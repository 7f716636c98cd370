"""Connections only to checked addresses, bounded by a deadline.

The name is resolved once, its addresses are checked, and the connection goes to one of these addresses: a second
resolution could return another one. TLS still verifies the name, since httpcore passes it on to `start_tls`.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Any

import httpcore

from samfleet.errors import describe
from samfleet.outbound.addresses import Address, AddressPolicy
from samfleet.outbound.errors import ConnectionFailed, NameUnresolvable, ReceiverTimedOut, TlsFailed

CONNECT_SECONDS = 5.0  # to one address; a name may have several
MOST_ADDRESSES = 4  # tried one after the other

Resolver = Callable[[str, int], list[Address]]


class Deadline:
    """A point in time, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Return the remaining seconds, at most `most`. Raises `ReceiverTimedOut` if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise ReceiverTimedOut(f"{ReceiverTimedOut().message} (limit: {self._seconds:g} s)")
        return left if most is None else min(left, most)


def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host in the order of the system's resolver. Raises `NameUnresolvable`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameUnresolvable(f"{host} has no address ({describe(error)}); check its DNS records") from error
    return [ip_address(address) for address in dict.fromkeys(str(entry[4][0]) for entry in found)]


def resolve_in_time(resolver: Resolver, host: str, port: int, deadline: Deadline) -> list[Address]:
    """Resolve in a thread that is left behind at the deadline, because the system's resolver takes no timeout."""
    results: queue.SimpleQueue[list[Address] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            results.put(resolver(host, port))
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            results.put(error)

    threading.Thread(target=look_up, name="resolver", daemon=True).start()
    try:
        result = results.get(timeout=deadline.left())
    except queue.Empty:
        raise ReceiverTimedOut(f"the name {host} was not resolved in time; check its DNS servers") from None
    if isinstance(result, Exception):
        raise result
    return result


class CheckedBackend(httpcore.NetworkBackend):
    """Network backend of httpcore for one request."""

    def __init__(self, policy: AddressPolicy, deadline: Deadline, resolver: Resolver = resolve) -> None:
        self._policy = policy
        self._deadline = deadline
        self._resolver = resolver
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = resolve_in_time(self._resolver, host, port, self._deadline)
        self._policy.check(host, addresses)
        most = CONNECT_SECONDS if timeout is None else min(timeout, CONNECT_SECONDS)
        reasons = []
        for address in addresses[:MOST_ADDRESSES]:
            try:
                stream = self._sockets.connect_tcp(
                    str(address), port, self._deadline.left(most), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                reasons.append(f"{address}: {describe(error)}")
            else:
                return TimedStream(stream, self._deadline)
        raise ConnectionFailed(f"{host} accepts no connection on port {port} ({'; '.join(reasons)})")


class TimedStream(httpcore.NetworkStream):
    """Stream whose operations end at the deadline, so that a peer cannot prolong a request byte by byte."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left(timeout))
        except httpcore.ConnectError as error:
            raise TlsFailed(f"{TlsFailed().message} ({describe(error)})") from error
        return TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
