"""Connections that go straight to their server, whatever `http_proxy` and `https_proxy` say.

Proxies of a company's network know neither this machine's loopback nor the Triton servers of a pool, and gRPC would ask
them for both.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

GRPC_WITHOUT_PROXY = ("grpc.enable_http_proxy", 0)  # an option of a channel


def is_loopback(url: str) -> bool:
    """Return True if the URL names this machine's loopback: `localhost`, 127.0.0.0/8 or ::1."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
