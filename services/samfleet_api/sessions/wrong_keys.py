"""Keys are random and beyond guessing; what is limited is the work and the noise of those who try."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from samfleet.errors import SamfleetError

MOST = 10
WINDOW = timedelta(minutes=1)
MOST_ADDRESSES = 10_000  # whose attempts are remembered; more than that is no person mistyping


class TooManyAttempts(SamfleetError):
    """Too many wrong keys from this address; wait a minute and try again."""

    code = "too_many_attempts"
    status_code = 429
    retryable = True


class WrongKeys:
    """Counts per address, in this process. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def refuse_too_many(self, address: str) -> None:
        with self._lock:
            if len(self._recent(address)) >= MOST:
                raise TooManyAttempts

    def count(self, address: str) -> None:
        with self._lock:
            times = self._recent(address)
            times.append(self._clock())
            self._times[address] = times
            while len(self._times) > MOST_ADDRESSES:
                del self._times[next(iter(self._times))]

    def _recent(self, address: str) -> deque[float]:
        since = self._clock() - WINDOW.total_seconds()
        times = self._times.pop(address, deque())
        while times and times[0] < since:
            times.popleft()
        if times:
            self._times[address] = times
        return times
