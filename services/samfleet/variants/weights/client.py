"""The HTTP client of pulls."""

from __future__ import annotations

import ssl

import certifi
import httpx

from samfleet.variants.weights.registries import PipConfig

# A machine without internet learns so in five seconds a source; a server that has begun may pause for thirty.
TIMEOUT = httpx.Timeout(30.0, connect=5.0)


def open_client(pip: PipConfig | None = None) -> httpx.Client:
    """Trusts the system's certificates (SSL_CERT_FILE included), certifi's and pip's; proxies come from the
    environment unless pip names its own.
    """
    trust = ssl.create_default_context()
    trust.load_verify_locations(certifi.where())
    if pip and pip.certificates:
        trust.load_verify_locations(pip.certificates)
    return httpx.Client(
        follow_redirects=True,
        headers={"User-Agent": "samfleet"},
        proxy=pip.proxy if pip else None,
        timeout=TIMEOUT,
        verify=trust,
    )
