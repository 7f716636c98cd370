"""Direct connections, without the proxies of `http_proxy` and `https_proxy`.

The proxy of a company network reaches neither this machine's loopback nor the Triton servers of a pool, but gRPC would
use it for both.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

GRPC_WITHOUT_PROXY = ("grpc.enable_http_proxy", 0)  # a channel option


def is_loopback(url: str) -> bool:
    """Return True if the URL names this machine's loopback: `localhost`, 127.0.0.0/8 or ::1."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
