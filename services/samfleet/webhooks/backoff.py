"""Times of retries: pure functions of the number of attempts."""

from __future__ import annotations

from datetime import timedelta
from random import SystemRandom
from typing import Protocol

FIRST = timedelta(seconds=5)
FACTOR = 3
MOST = timedelta(hours=3)
MOST_OF_ENDPOINT = timedelta(minutes=5)
JITTER = 0.2  # of the delay, in both directions


class Uniform(Protocol):
    def uniform(self, a: float, b: float, /) -> float: ...


_random = SystemRandom()


def retry_delay(attempts: int, asked: timedelta | None = None, random: Uniform = _random) -> timedelta:
    """Return the wait after this many failed attempts of one message: 5 s, 15 s, 45 s, … up to 3 h, with jitter.

    The jitter spreads messages that failed together. `asked` is the receiver's `Retry-After`; it can prolong the wait
    up to 3 h.
    """
    plain = min(FIRST * int(FACTOR ** min(attempts - 1, 20)), MOST)
    delay = plain * random.uniform(1 - JITTER, 1 + JITTER)
    return max(delay, min(asked, MOST)) if asked is not None else delay


def endpoint_delay(failures: int) -> timedelta:
    """Return the wait before any other message to an endpoint whose last `failures` attempts failed.

    It doubles up to 5 min, so a dead receiver with a thousand messages costs one attempt in that time.
    """
    return min(timedelta(seconds=2 ** min(failures, 20)), MOST_OF_ENDPOINT)
