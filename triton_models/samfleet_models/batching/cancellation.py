"""Cancelled requests: work on one ends between two chunks, and the rest of its batch continues."""

from __future__ import annotations

import time
from collections.abc import Callable

from samfleet.errors import SamfleetError

INTERVAL_SECONDS = 0.1  # Triton's stub sends the server a message and waits for the reply

Cancelled = Callable[[], bool]


class RequestCancelled(SamfleetError):
    """The client cancelled this request; its results are dropped."""

    code = "request_cancelled"


def never() -> bool:
    return False


class Cancellation:
    """Checks once per interval whether a request was cancelled. A cancelled request stays cancelled."""

    def __init__(
        self,
        asked: Cancelled,
        interval_seconds: float = INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked = asked
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._next = clock() + interval_seconds  # Triton itself drops requests that are cancelled in its queue
        self._cancelled = False

    def __call__(self) -> bool:
        now = self._clock()
        if not self._cancelled and now >= self._next:
            self._cancelled = self._asked()
            self._next = now + self._interval_seconds
        return self._cancelled
