"""The requests of one shard that are at Triton now, so that all can be cancelled together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from samfleet.errors import Unavailable


class CallCancelled(Unavailable):
    """The worker cancelled this request, because its shard is given up."""

    code = "call_cancelled"


class OpenCalls:
    """Safe to share between threads. After `cancel` no further call is opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Callable[[], object]] = {}
        self._number = 0
        self._cancelled = False

    def cancel(self) -> None:
        """Cancel every open call; each one's caller gets `CallCancelled`."""
        with self._lock:
            self._cancelled = True
            cancels = list(self._open.values())
        for cancel in cancels:
            cancel()

    @property
    def cancelled(self) -> bool:
        return self._cancelled

    def check(self) -> None:
        if self._cancelled:
            raise CallCancelled

    @contextmanager
    def opened(self, cancel: Callable[[], object]) -> Iterator[None]:
        """`cancel` ends the call from another thread while the block runs."""
        with self._lock:
            self._number += 1
            number = self._number
            self._open[number] = cancel
            late = self._cancelled
        try:
            if late:
                cancel()
            yield
        finally:
            with self._lock:
                del self._open[number]
