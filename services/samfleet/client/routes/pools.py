from __future__ import annotations

from typing import Any

from samfleet.client.steps import Call


def pools() -> Call[list[dict[str, Any]]]:
    """Return all pools with their workers, servers, devices and queue; the first is the default."""
    return Call("GET", "/v1/pools", lambda answer: list(answer["items"]))
