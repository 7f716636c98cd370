"""Rate limit of wrong keys per address. Keys are too random to guess; the limit reduces noise from attempts.

A valid key is accepted regardless of earlier failures from its address: people behind one proxy share an address, and
one of them must not lock out the others. So each key is looked up, which costs no more than any request. Only wrong
keys are counted, and rejected with 429 beyond the limit.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from samfleet.errors import TooManyRequests

WINDOW = timedelta(minutes=1)
MOST_ADDRESSES = 10_000  # in memory; the least recent one is evicted first


class TooManyAttempts(TooManyRequests):
    """Too many wrong keys from this address; wait a minute and try again."""

    code = "too_many_attempts"


class WrongKeys:
    """Counters per address, in this process. `clock` returns seconds."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    def count(self, address: str) -> None:
        """Count a wrong key; raise `TooManyAttempts` if the address has sent too many in the last minute."""
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
