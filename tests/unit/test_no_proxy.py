from __future__ import annotations

import pytest

from samfleet.no_proxy import is_loopback


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://127.8.0.1", True),
        ("http://localhost:9000/x", True),
        ("http://store.localhost", True),
        ("http://[::1]:8080", True),
        ("http://127.0.0.1.example.org", False),
        ("http://10.0.0.1", False),
        ("https://s3.example.org", False),
        ("", False),
    ],
)
def test_only_loopback_addresses_bypass_the_proxy(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
