"""Keys are random and beyond guessing; what is limited is the noise of those who try.

A right key is served whatever its address has sent before: people behind one proxy share an address, and a stranger
among them must not lock the others out. So a key is always looked up, which costs no more than any request, and only
a wrong one is counted and, beyond the limit, told to wait.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from samfleet.errors import TooManyRequests

WINDOW = timedelta(minutes=1)
MOST_ADDRESSES = 10_000  # whose attempts are remembered; more than that is no person mistyping


class TooManyAttempts(TooManyRequests):
    """Too many wrong keys from this address; wait a minute and try again."""

    code = "too_many_attempts"


class WrongKeys:
    """Counts per address, in this process. `clock` gives seconds."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def count(self, address: str) -> None:
        """Count a wrong key, or refuse it where the address has sent too many in the last minute."""
        with self._lock:
            now = self._clock()
            times = self._times.pop(address, deque())
            while times and times[0] <= now - WINDOW.total_seconds():
                times.popleft()
            self._times[address] = times
            if len(times) >= self._most:
                raise TooManyAttempts(retry_after_seconds=times[0] + WINDOW.total_seconds() - now)
            times.append(now)
            while len(self._times) > MOST_ADDRESSES:
                del self._times[next(iter(self._times))]
