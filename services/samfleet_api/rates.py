"""Rate limit per key, counted in this process.

A token bucket per key holds the requests of one minute and fills evenly. The state is per process and is lost when the
process ends; n API processes allow n times as many requests. That suffices for the purpose, which is to keep one key
from starving the others, and it saves each request a round trip to Redis, which may be unavailable.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from samfleet.errors import TooManyRequests

MOST_CALLERS = 10_000  # in memory; the least recent one is evicted first


class RateLimited(TooManyRequests):
    """This key has sent more requests per minute than this server accepts; wait as long as `Retry-After` says."""

    code = "rate_limited"


@dataclass(frozen=True, slots=True)
class Allowance:
    """Remaining requests of a caller after this one."""

    limit: int
    remaining: int
    full_in_seconds: float


class Rates:
    """Token buckets by caller. `clock` returns seconds."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[
            str, tuple[float, float]
        ] = {}  # remaining requests, and the time at which they were computed

    def take(self, caller: str) -> Allowance:
        """Count a request of the caller, or raise `RateLimited`."""
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
                f"this key may send {self._per_minute} requests per minute; wait as long as Retry-After says",
                retry_after_seconds=(1 - left) / per_second,
            )
        return Allowance(self._per_minute, int(left), (self._per_minute - left) / per_second)
