from __future__ import annotations

import socket
from typing import Any

import pytest

from samfleet_worker.triton.addresses import resolve_by_system
from samfleet_worker.triton.errors import TritonUnavailable

V4, V6 = socket.AF_INET, socket.AF_INET6


def answering(*found: tuple[socket.AddressFamily, str]) -> Any:
    """Return a stand-in for the system's `getaddrinfo`."""

    def getaddrinfo(_host: str, port: int, **_hints: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", (ip, port)) for family, ip in found]

    return getaddrinfo


@pytest.mark.parametrize(
    "address", ["unix:/run/triton.sock", "127.0.0.1:8001", "[::1]:8001", "triton", "10.1.2.3:grpc", "::1:8001"]
)
def test_sockets_and_ip_addresses_stand_for_themselves(address: str) -> None:
    assert resolve_by_system(address) == (address,)


def test_a_name_stands_for_every_address_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(V4, "10.0.0.7"), (V4, "10.0.0.5"), (V4, "10.0.0.7")]
    monkeypatch.setattr(socket, "getaddrinfo", answering(*found))
    assert resolve_by_system("triton-gpu:8001") == ("10.0.0.5:8001", "10.0.0.7:8001")


def test_a_server_with_addresses_of_both_families_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering((V6, "fd00::5"), (V4, "10.0.0.5")))
    assert resolve_by_system("triton:8001") == ("10.0.0.5:8001",)


def test_addresses_of_ipv6_alone_are_written_in_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answering((V6, "fd00::7"), (V6, "fd00::5")))
    assert resolve_by_system("triton:8001") == ("[fd00::5]:8001", "[fd00::7]:8001")


def test_this_machine_has_one_address() -> None:
    assert resolve_by_system("localhost:8001") in {("127.0.0.1:8001",), ("[::1]:8001",)}


def test_a_name_that_does_not_resolve_is_named() -> None:
    with pytest.raises(TritonUnavailable, match=r"triton\.invalid of SAMFLEET_POOLS does not resolve"):
        resolve_by_system("triton.invalid:8001")
