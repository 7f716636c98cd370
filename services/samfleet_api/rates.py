"""Rate limit per key, counted in this process.

A token bucket per key holds the requests of one minute and fills evenly. The state is per process and is lost when the
process ends; n API processes allow n times as many requests. That suffices for the purpose, which is to keep one key
from starving the others, and it saves each request a round trip to Redis, which may be unavailable.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from samfleet.errors import TooManyRequests

WINDOW_SECONDS = 60
MOST_CALLERS = 10_000  # in memory; the least recent one is evicted first
_ROUNDING = 1e-9  # a caller that waits exactly as long as it was told finds a whole request


class RateLimited(TooManyRequests):
    """This key has sent more requests per minute than this server accepts; wait as long as `Retry-After` says."""

    code = "rate_limited"


@dataclass(frozen=True, slots=True)
class Allowance:
    """The outcome of counting a request: what remains of `limit` requests per minute.

    `wait_seconds` is 0 for an accepted request; for a refused one it is the time until the next is accepted.
    """

    limit: int
    remaining: int
    full_in_seconds: float
    wait_seconds: float = 0.0

    @property
    def reset_seconds(self) -> int:
        """Time until all requests remain again, or of a refused one the time to wait; rounded up."""
        return max(1, math.ceil(self.wait_seconds or self.full_in_seconds))

    def require(self) -> None:
        """Raise `RateLimited` if the request was refused."""
        if self.wait_seconds:
            raise RateLimited(
                f"this key may send {self.limit} requests per minute; wait as long as Retry-After says",
                retry_after_seconds=self.wait_seconds,
            )


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
        """Count a request of the caller. A refused one takes nothing."""
        limit = self._per_minute
        with self._lock:
            now = self._clock()
            left, then = self._levels.pop(caller, (float(limit), now))
            left = min(limit, left + (now - then) * limit / WINDOW_SECONDS)
            allowed = left >= 1 - _ROUNDING
            left -= allowed
            self._levels[caller] = left, now
            while len(self._levels) > MOST_CALLERS:
                del self._levels[next(iter(self._levels))]
        return Allowance(
            limit,
            remaining=int(left + _ROUNDING),
            full_in_seconds=(limit - left) * WINDOW_SECONDS / limit,
            wait_seconds=0.0 if allowed else (1 - left) * WINDOW_SECONDS / limit,
        )
