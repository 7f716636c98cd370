"""Requests that their client gave up: the work on one ends between two chunks, its batch mates go on."""

from __future__ import annotations

import time
from collections.abc import Callable

from samfleet.errors import SamfleetError

INTERVAL_SECONDS = 0.1  # Triton's stub asks the server by a message and waits for the answer

Cancelled = Callable[[], bool]


class RequestCancelled(SamfleetError):
    """The client gave this request up; what was computed for it is dropped."""

    code = "request_cancelled"


def never() -> bool:
    return False


class Cancellation:
    """Asks whether a request was cancelled, at most once an interval. A request stays cancelled."""

    def __init__(
        self,
        asked: Cancelled,
        interval_seconds: float = INTERVAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked = asked
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._next = clock()
        self._cancelled = False

    def __call__(self) -> bool:
        now = self._clock()
        if not self._cancelled and now >= self._next:
            self._cancelled = self._asked()
            self._next = now + self._interval_seconds
        return self._cancelled
