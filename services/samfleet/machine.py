"""Display names of machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def machine_name(device_kind: str, device_name: str, facts: Mapping[str, Any]) -> str:
    """Return the device's name; for a CPU with its threads, which distinguish two runs on the same model."""
    threads = facts.get("threads")
    if device_kind != "cpu" or not threads:
        return device_name
    return f"{device_name} ({threads} thread{'' if threads == 1 else 's'})"
