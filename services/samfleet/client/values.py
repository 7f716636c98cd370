"""Small values and functions that all calls share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PIECE_BYTES = 1 << 20
EXCHANGE_SECONDS = 1800  # the response follows only after a file of the maximum size was written completely


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def unchanged(value: Any) -> Any:
    return value
