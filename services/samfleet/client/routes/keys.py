from __future__ import annotations

from typing import Any

from samfleet.client.steps import Call
from samfleet.client.values import unchanged


def current_key() -> Call[dict[str, Any]]:
    """Return the key that the client uses, with its `tenant` and `scope` (`read`, `submit` or `admin`)."""
    return Call("GET", "/v1/current-key", unchanged)
