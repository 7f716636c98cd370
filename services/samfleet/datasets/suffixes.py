"""Formats of files by their suffix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from samfleet.errors import InvalidInput

T = TypeVar("T", bound=str)


def format_by_suffix(name: str, stated: T | None, suffixes: Mapping[str, T], unknown: type[InvalidInput]) -> T:
    """Return the stated format, or else the one of the name's suffix. Raises `unknown`, which lists both."""
    if stated is not None:
        return stated
    for suffix, known in suffixes.items():
        if name.lower().endswith(suffix):
            return known
    formats = ", ".join(dict.fromkeys(suffixes.values()))
    raise unknown(f"{name[-200:]!r} ends in none of {', '.join(suffixes)}; state the format: {formats}")
