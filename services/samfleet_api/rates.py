"""How many requests a key may send, counted in this process.

A bucket per key holds a minute's requests and fills evenly. The count is per process and lost at its end: several API
processes allow as many times more. That is enough to keep one key from taking the API from the others, which is the
purpose, and it costs no request a round trip to Redis, which may be away.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from samfleet.errors import TooManyRequests

MOST_CALLERS = 10_000  # that are remembered; the one that came least recently is forgotten first


class RateLimited(TooManyRequests):
    """This key has sent more requests in a minute than this server accepts; wait as long as `Retry-After` says."""

    code = "rate_limited"


@dataclass(frozen=True, slots=True)
class Allowance:
    """The requests left to a caller after this one."""

    limit: int
    remaining: int
    full_in_seconds: float


class Rates:
    """`clock` gives seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}  # requests left, and when that was so

    def take(self, caller: str) -> Allowance:
        """Count a request of the caller, or refuse it."""
        per_second = self._per_minute / 60
        with self._lock:
            now = self._clock()
            left, then = self._levels.pop(caller, (float(self._per_minute), now))
            left = min(self._per_minute, left + (now - then) * per_second)
            allowed = left >= 1
            left -= allowed
            self._levels[caller] = left, now
            while len(self._levels) > MOST_CALLERS:
                del self._levels[next(iter(self._levels))]
        if not allowed:
            raise RateLimited(
                f"this key may send {self._per_minute} requests a minute; wait as long as Retry-After says",
                retry_after_seconds=(1 - left) / per_second,
            )
        return Allowance(self._per_minute, int(left), (self._per_minute - left) / per_second)
