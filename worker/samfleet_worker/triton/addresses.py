"""Addresses of a pool in the settings, and the servers that they stand for now.

A name stands for every address that it resolves to: one server each. That is what a headless Service of Kubernetes, or
a name with several A records, gives for a pool that grows and shrinks.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from samfleet_worker.triton.errors import TritonUnavailable

UNIX_SOCKET = "unix:"  # prefix of such addresses in gRPC


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """A server: the address to connect to, and the one in SAMFLEET_POOLS that stands for it."""

    address: str
    configured: str


class Resolver(Protocol):
    def __call__(self, configured: str) -> Sequence[str]:
        """Return `ip:port` of every server behind `host:port`. Raises `TritonUnavailable` if that cannot be known."""
        ...


def resolve_by_system(configured: str) -> Sequence[str]:
    """Resolve a name as the system does (hosts file, name servers); sockets and IP addresses stand for themselves.

    Of a name with addresses of both families only those of IPv4 count: they are the same servers again.
    """
    host, _, port = configured.rpartition(":")
    if configured.startswith(UNIX_SOCKET) or not port.isdigit() or _is_ip(host):
        return (configured,)
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise TritonUnavailable(f"{host} of SAMFLEET_POOLS does not resolve: {error.strerror or error}") from error
    by_family: dict[int, set[str]] = {}
    for family, _, _, _, (ip, *_) in found:
        by_family.setdefault(family, set()).add(str(ip))
    if ips := by_family.get(socket.AF_INET):
        return tuple(f"{ip}:{port}" for ip in sorted(ips))
    return tuple(f"[{ip}]:{port}" for ip in sorted(by_family.get(socket.AF_INET6, ())))


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
