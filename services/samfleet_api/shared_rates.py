"""Rate limit per tenant, counted in Redis by all API processes together.

A script keeps a token bucket per tenant, by the clock of Redis. A request never waits long for Redis, and is never
refused because of it: without a reply this process counts for itself, and one request every few seconds asks again.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from samfleet import metrics
from samfleet.errors import describe
from samfleet.logging import get_logger
from samfleet_api.rates import ROUNDING, WINDOW_SECONDS, Allowance, Policy, Rates

TIMEOUT_SECONDS = 0.2  # of a connection and of a reply; a reply takes a millisecond
PAUSE_SECONDS = 5.0
LOG_SECONDS = 60.0

# Parameters: the requests per minute. Results: 1 for an accepted request, and what is left in the bucket. A limit that
# was lowered cuts the bucket; a clock that was set back refills nothing. A bucket is full after a minute, so that an
# older one may be forgotten.
SCRIPT = f"""
local limit = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'left', 'at')
local left = limit
if bucket[1] then
  local passed = math.max(0, now - tonumber(bucket[2]))
  left = math.min(limit, tonumber(bucket[1]) + passed * limit / {WINDOW_SECONDS})
end
local accepted = 0
if left >= 1 - {ROUNDING} then
  accepted = 1
  left = left - 1
end
local stored = string.format('%.17g', left)
redis.call('HSET', KEYS[1], 'left', stored, 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], {WINDOW_SECONDS + 1})
return {{accepted, stored}}
"""

log = get_logger(__name__)


class SharedRates:
    """Token buckets by tenant in the Redis of `broker_url`. `clock` returns seconds; it times the pauses."""

    def __init__(self, broker_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._broker_url = broker_url
        self._clock = clock
        self._local = Rates(Policy.TENANT)
        self._lock = threading.Lock()
        self._client: Redis | None = None
        self._is_down = False
        self._ask_at = self._log_at = float("-inf")

    def take(self, tenant_id: uuid.UUID, per_minute: int) -> Allowance:
        """Count a request of the tenant. A refused one takes nothing."""
        if self._may_ask():
            try:
                accepted, left = self._ask(tenant_id, per_minute)
            except (RedisError, OSError, TypeError, ValueError) as error:
                # also an address with options that only kombu knows, or a reply of something else than Redis
                self._pause(error)
            else:
                self._go_on()
                return Allowance.of(Policy.TENANT, per_minute, left, accepted=accepted)
        metrics.RATES_COUNTED_LOCALLY.inc()
        return self._local.take(str(tenant_id), per_minute)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _ask(self, tenant_id: uuid.UUID, per_minute: int) -> tuple[bool, float]:
        with self._lock:
            client = self._client = self._client or _connect(self._broker_url)
        accepted, left = client.register_script(SCRIPT)(keys=[f"samfleet:rate:{tenant_id}"], args=[per_minute])
        return bool(accepted), float(left)

    def _may_ask(self) -> bool:
        """Return True if this request may ask Redis: while it is down, one at a time, after each pause."""
        with self._lock:
            now = self._clock()
            if now < self._ask_at:
                return False
            if self._is_down:
                self._ask_at = now + PAUSE_SECONDS
            return True

    def _pause(self, error: Exception) -> None:
        with self._lock:
            now = self._clock()
            self._is_down, self._ask_at = True, now + PAUSE_SECONDS
            is_due = now >= self._log_at
            if is_due:
                self._log_at = now + LOG_SECONDS
        if is_due:
            log.warning("rates.counted_locally", reason=describe(error))

    def _go_on(self) -> None:
        with self._lock:
            was_down, self._is_down, self._ask_at = self._is_down, False, float("-inf")
        if was_down:
            log.info("rates.counted_together")


def _connect(broker_url: str) -> Redis:
    """Return a client that connects with the first command. Takes kombu's form of a socket's address too."""
    return Redis.from_url(
        broker_url.replace("redis+socket://", "unix://", 1),
        socket_connect_timeout=TIMEOUT_SECONDS,
        socket_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # a server without HELLO would refuse the third
    )
