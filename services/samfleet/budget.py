"""A budget shared by the threads of one process: bytes or pixels that may be in memory at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHECK_SECONDS = 1.0


class BudgetExhausted(Exception):
    """The budget did not become free in time."""


class Budget:
    """A budget served in the order of the requests, so that small ones never starve a large one."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._free = total
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    @contextmanager
    def take(
        self, amount: int, timeout: float | None = None, check: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Wait for `amount` and hold it for the block. An amount above the whole budget takes all of it.

        `check` is called every second of the wait; an exception from it ends the wait. Raises `BudgetExhausted` after
        `timeout` seconds.
        """
        taken = min(max(amount, 0), self._total)
        self._wait(taken, timeout, check)
        try:
            yield
        finally:
            with self._changed:
                self._free += taken
                self._changed.notify_all()

    def _wait(self, amount: int, timeout: float | None, check: Callable[[], None] | None) -> None:
        ticket, until = object(), None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._queue.append(ticket)
            try:
                while not (self._queue[0] is ticket and self._free >= amount):
                    left = CHECK_SECONDS if until is None else min(CHECK_SECONDS, until - time.monotonic())
                    if left <= 0:
                        raise BudgetExhausted
                    self._changed.wait(left)
                    if check is not None:
                        check()
                self._free -= amount
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
