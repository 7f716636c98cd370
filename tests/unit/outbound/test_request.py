from __future__ import annotations

import pytest

from samfleet.outbound.addresses import AddressForbidden, AddressPolicy
from samfleet.outbound.errors import UrlInvalid
from samfleet.outbound.request import check_url

STRICT = AddressPolicy()
LOOPBACK = AddressPolicy.of(["127.0.0.0/8"])


@pytest.mark.parametrize(
    "text", ["https://example.com", "https://example.com:8443/a?b=c", "https://8.8.8.8/", "https://[2606:4700::1]/"]
)
def test_public_https_urls_are_accepted(text: str) -> None:
    assert str(check_url(text, STRICT)) in {text, f"{text}/"}


@pytest.mark.parametrize(
    "text",
    [
        "", "example.com", "//example.com", "http://example.com", "ftp://example.com", "file:///etc/passwd", "https://",
        "https:///path", "https://user@example.com", "https://user:word@example.com", "https://example.com/#part",
        "https://example.com:0", "https://example.com:99999", "https://exa mple.com", "https://example.com/\r\nX: y",
        "https://[::1", "https://" + "a" * 2000, "unix:/run/docker.sock",
    ],
)  # fmt: skip
def test_other_urls_are_refused(text: str) -> None:
    with pytest.raises(UrlInvalid):
        check_url(text, STRICT)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]"])
def test_literal_private_addresses_are_refused_at_once(host: str) -> None:
    with pytest.raises(AddressForbidden):
        check_url(f"https://{host}/", STRICT)


def test_plain_http_needs_an_allowed_network() -> None:
    assert check_url("http://127.0.0.1:8000/", LOOPBACK).port == 8000
    with pytest.raises(AddressForbidden):
        check_url("http://10.0.0.1/", LOOPBACK)
