"""Trust in the address and scheme that proxies forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from fixtures.api.no_tls import NO_TLS
from fixtures.api.running_api import Api, Parts, Tenant, api_settings, serve
from samfleet_api.app import create_app

SESSION = "/dashboard/session"
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
Server = Callable[..., httpx.Client]


@pytest.fixture
def behind(api: Api, tmp_path: Path) -> Iterator[Server]:
    """Start a server that trusts these proxies and accepts one wrong key a minute per address."""
    with ExitStack() as stack:

        def start(*trusted: str) -> httpx.Client:
            settings = api_settings(tmp_path).model_copy(
                update={"trusted_proxies": trusted, "wrong_keys_per_minute": 1}
            )
            url = stack.enter_context(serve(create_app(settings, parts=Parts(api.engine, api.store))))
            return stack.enter_context(httpx.Client(base_url=url, timeout=30, verify=NO_TLS))

        yield start


def wrong_key(client: httpx.Client, address: str) -> int:
    answer = client.post(SESSION, json={"key": "sf_" + "x" * 40}, headers={"X-Forwarded-For": address})
    return answer.status_code


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.0/8"])
def test_the_cookie_is_secure_behind_a_tls_proxy(behind: Server, tenant: Tenant, trusted: str) -> None:
    answer = behind("10.9.8.7", trusted).post(SESSION, json={"key": tenant.key}, headers=FORWARDED)
    assert answer.status_code == 204
    assert "secure" in answer.headers["Set-Cookie"].lower()


@pytest.mark.parametrize("trusted", [(), ("10.0.0.0/8",)], ids=["none", "another"])
def test_an_untrusted_caller_cannot_claim_tls(behind: Server, tenant: Tenant, trusted: tuple[str, ...]) -> None:
    answer = behind(*trusted).post(SESSION, json={"key": tenant.key}, headers=FORWARDED)
    assert answer.status_code == 204
    assert "secure" not in answer.headers["Set-Cookie"].lower()


def test_addresses_behind_a_proxy_are_counted_separately(behind: Server) -> None:
    client = behind("127.0.0.1")
    assert [wrong_key(client, address) for address in ("203.0.113.7", "203.0.113.7", "203.0.113.8")] == [401, 429, 401]


def test_addresses_before_the_one_added_by_the_proxy_are_ignored(behind: Server) -> None:
    """A caller may send the header itself; the proxy appends the address that it saw."""
    client = behind("127.0.0.1")
    assert [wrong_key(client, f"{spoofed}, 203.0.113.7") for spoofed in ("198.51.100.1", "198.51.100.2")] == [401, 429]


def test_a_caller_cannot_choose_its_counted_address(behind: Server) -> None:
    client = behind()
    assert [wrong_key(client, address) for address in ("203.0.113.7", "203.0.113.8")] == [401, 429]
