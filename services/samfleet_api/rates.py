"""Token buckets of requests per minute, in the memory of this process.

A bucket holds the requests of one minute and fills evenly. The state is per process and is lost when the process ends;
n API processes allow n times as many requests.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from samfleet.errors import TooManyRequests

WINDOW_SECONDS = 60
ROUNDING = 1e-9  # a caller that waits exactly as long as it was told finds a whole request
MOST_CALLERS = 10_000  # in memory; the least recent one is evicted first


class Policy(StrEnum):
    """Limits by what they count: requests of one key, or of all keys of a tenant. `RateLimit-Policy` has the values."""

    KEY = "key"
    TENANT = "tenant"


class RateLimited(TooManyRequests):
    """This key has sent more requests per minute than this server accepts; wait as long as `Retry-After` says."""

    code = "rate_limited"


class TenantRateLimited(TooManyRequests):
    """The keys of this tenant have sent more requests per minute than it may send; wait as `Retry-After` says."""

    code = "tenant_rate_limited"


REFUSALS: Mapping[Policy, tuple[type[TooManyRequests], str]] = {
    Policy.KEY: (RateLimited, "this key"),
    Policy.TENANT: (TenantRateLimited, "the keys of your tenant together"),
}


@dataclass(frozen=True, slots=True)
class Allowance:
    """The outcome of counting a request: what remains of `limit` requests per minute.

    `wait_seconds` is 0 for an accepted request; for a refused one it is the time until the next is accepted.
    """

    policy: Policy
    limit: int
    remaining: int
    full_in_seconds: float
    wait_seconds: float = 0.0

    @classmethod
    def of(cls, policy: Policy, limit: int, left: float, *, accepted: bool) -> Self:
        """Return the allowance of a bucket of `limit` requests in which `left` remain."""
        return cls(
            policy,
            limit,
            remaining=int(left + ROUNDING),
            full_in_seconds=(limit - left) * WINDOW_SECONDS / limit,
            wait_seconds=0.0 if accepted else (1 - left) * WINDOW_SECONDS / limit,
        )

    @property
    def accepted(self) -> bool:
        return not self.wait_seconds

    @property
    def reset_seconds(self) -> int:
        """Time until all requests remain again, or of a refused one the time to wait; rounded up."""
        return max(1, math.ceil(self.wait_seconds or self.full_in_seconds))

    def require(self) -> None:
        """Raise the error of the policy if the request was refused."""
        if not self.accepted:
            error, who = REFUSALS[self.policy]
            raise error(
                f"{who} may send {self.limit} requests per minute; wait as long as Retry-After says",
                retry_after_seconds=self.wait_seconds,
            )


class Rates:
    """Token buckets by caller. `clock` returns seconds."""

    def __init__(self, policy: Policy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[
            str, tuple[float, float]
        ] = {}  # remaining requests, and the time at which they were computed

    def take(self, caller: str, per_minute: int) -> Allowance:
        """Count a request of the caller. A refused one takes nothing."""
        with self._lock:
            now = self._clock()
            left, then = self._levels.pop(caller, (float(per_minute), now))
            left = min(per_minute, left + (now - then) * per_minute / WINDOW_SECONDS)
            accepted = left >= 1 - ROUNDING
            left -= accepted
            self._levels[caller] = left, now
            while len(self._levels) > MOST_CALLERS:
                del self._levels[next(iter(self._levels))]
        return Allowance.of(self._policy, per_minute, left, accepted=accepted)
