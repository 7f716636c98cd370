"""The HTTP client of pulls."""

from __future__ import annotations

import ssl

import certifi
import httpx

from samfleet.variants.weights.registries import PipConfig

# Without internet each source fails after five seconds; a server that has started to send may pause for thirty.
TIMEOUT = httpx.Timeout(30.0, connect=5.0)


def open_client(pip: PipConfig | None = None) -> httpx.Client:
    """Return a client that trusts the certificates of the system (SSL_CERT_FILE included), certifi and pip.

    Proxies come from the environment unless pip configures one.
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
