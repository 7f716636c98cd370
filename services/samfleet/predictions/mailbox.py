"""Exchange of predictions between API and workers: a list of ids per pool, and a key for each request and reply.

A request expires when nobody waits for it any longer, so a worker never starts one that came too late, and nothing
stays in Redis. Clocks need not agree: only Redis measures the time.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from samfleet.jobs.queue import QueueUnavailable
from samfleet.predictions.errors import PredictionTimeout

CONNECT_SECONDS = 2.0
GRACE_SECONDS = 5.0  # of a socket beyond the time that a command waits in Redis
QUEUE_GRACE_MS = 10_000  # so that the API finds out whether its request was taken
REPLY_SECONDS = 30  # for which a reply waits for the API, which usually takes it at once


@dataclass(frozen=True, slots=True)
class Letter:
    """A request that a worker has taken. `seconds_left` is the time for which the API waits."""

    id: str
    content: bytes
    seconds_left: float


class Mailbox(Protocol):
    """Safe to share between threads. Calls raise `QueueUnavailable` if Redis does not answer."""

    def ask(self, pool: str, content: bytes, wait_seconds: float) -> bytes:
        """Send a request to the workers of a pool and return the reply. Raises `PredictionTimeout`."""
        ...

    def take(self, pool: str, wait_seconds: float) -> Letter | None:
        """Take the oldest request of the pool for which somebody waits; None if none arrives in that time."""
        ...

    def answer(self, letter: Letter, reply: bytes) -> None: ...

    def close(self) -> None: ...


class RedisMailbox:
    """Mailbox in the Redis of `broker_url`, which connects with the first call."""

    def __init__(self, broker_url: str, longest_wait_seconds: float) -> None:
        self._client: Redis = Redis.from_url(
            broker_url.replace("redis+socket://", "unix://", 1),  # kombu's form of a socket's address
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=longest_wait_seconds + GRACE_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # a server without HELLO would refuse the third
        )

    def ask(self, pool: str, content: bytes, wait_seconds: float) -> bytes:
        letter, milliseconds = uuid.uuid4().hex, max(1, round(wait_seconds * 1000))
        with _mapped():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.set(_asked(letter), content, px=milliseconds)
            pipeline.rpush(_queue(pool), letter)
            pipeline.pexpire(_queue(pool), milliseconds + QUEUE_GRACE_MS)  # the newest request outlives all others
            pipeline.execute()
            reply: Any = self._client.blpop([_replied(letter)], timeout=wait_seconds)
            if reply is not None:
                return bytes(reply[1])
            raise PredictionTimeout(_reason(pool, wait_seconds, taken=not self._withdraw(pool, letter)))

    def _withdraw(self, pool: str, letter: str) -> bool:
        """Remove a request and its late reply. Return False if a worker had taken it."""
        pipeline = self._client.pipeline(transaction=True)
        pipeline.lrem(_queue(pool), 1, letter)
        pipeline.delete(_asked(letter), _replied(letter))
        waited, _ = pipeline.execute()
        return bool(waited)

    def take(self, pool: str, wait_seconds: float) -> Letter | None:
        with _mapped():
            while (found := self._pop(pool, wait_seconds)) is not None:
                letter = bytes(found[1]).decode()
                pipeline = self._client.pipeline(transaction=True)
                pipeline.pttl(_asked(letter))
                pipeline.get(_asked(letter))
                pipeline.delete(_asked(letter))
                milliseconds, content, _ = pipeline.execute()
                if content is not None:
                    return Letter(letter, bytes(content), max(0, milliseconds) / 1000)
        return None

    def _pop(self, pool: str, wait_seconds: float) -> Any:
        return self._client.blpop([_queue(pool)], timeout=wait_seconds)

    def answer(self, letter: Letter, reply: bytes) -> None:
        with _mapped():
            pipeline = self._client.pipeline(transaction=True)
            pipeline.rpush(_replied(letter.id), reply)
            pipeline.expire(_replied(letter.id), REPLY_SECONDS)
            pipeline.execute()

    def close(self) -> None:
        self._client.close()


def _queue(pool: str) -> str:
    return f"samfleet:predict:pool:{pool}"


def _asked(letter: str) -> str:
    return f"samfleet:predict:asked:{letter}"


def _replied(letter: str) -> str:
    return f"samfleet:predict:replied:{letter}"


def _reason(pool: str, wait_seconds: float, *, taken: bool) -> str:
    if taken:
        return f"the image was not segmented within {wait_seconds:g} s; try again, or submit a job for it"
    return (
        f"no worker of pool {pool!r} was free within {wait_seconds:g} s; try again, look at GET /v1/pools, or submit "
        "a job for the image"
    )


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        raise QueueUnavailable(
            f"predictions need Redis, which does not answer ({error}); check SAMFLEET_BROKER_URL"
        ) from error
