"""Error of the suite, and waiting that ends with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.05


class SuiteFailed(Exception):
    """Something that the suite waited for did not happen, or a part of the suite broke."""


def wait_for(what: str, read: Callable[[], T | None], seconds: float) -> T:
    """Return the first value of `read` that is not None or False. Raises `SuiteFailed` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := read()):
        if time.monotonic() > deadline:
            raise SuiteFailed(f"waited {seconds:g} s for {what}")
        time.sleep(POLL_SECONDS)
    return value
