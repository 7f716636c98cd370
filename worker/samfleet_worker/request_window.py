"""Limit of a shard's requests at Triton.

Triton stays busy with one request in its queue for each that it works on. More only wait there: they hold the bytes of
their images, delay other shards, and are wasted when the job is cancelled. So the limit follows the time that requests
spend in the queue, between `LEAST` and the setting.

A thread waits for its place with its images already read, so that reading goes on while Triton works.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LEAST = 2
LONG = 1.5  # in the queue, relative to the time of the work: too many are waiting
SHORT = 0.5  # Triton may run out of work
CHECK_SECONDS = 1.0


class RequestWindow:
    """Places for requests, shared by the threads of a shard. It begins with `most` places."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._least = min(LEAST, most)
        self.places = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def place(self, check: Callable[[], None]) -> Iterator[None]:
        """Wait for a place and hold it during the block. `check` is called while it waits, and may raise."""
        with self._changed:
            while self._taken >= self.places:
                self._changed.wait(CHECK_SECONDS)
                check()
            self._taken += 1
        try:
            yield
        finally:
            with self._changed:
                self._taken -= 1
                self._changed.notify()

    def heard(self, queue_ms: float, execute_ms: float) -> None:
        """Note the times of a request: in Triton's queue and on the way, and in its batch."""
        if execute_ms <= 0:
            return
        share = queue_ms / execute_ms
        step = 1 if share < SHORT else -1 if share > LONG else 0
        with self._changed:
            self.places = max(self._least, min(self.places + step, self._most))
            if step > 0:
                self._changed.notify()
