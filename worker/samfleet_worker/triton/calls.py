"""Requests of one shard at Triton, so that all can be cancelled together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from samfleet.errors import Unavailable


class CallCancelled(Unavailable):
    """The worker cancelled this request, because its shard was abandoned."""

    code = "call_cancelled"


class OpenCalls:
    """Open requests, safe to share between threads. No further request is opened after `cancel`."""

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
        """Register a call while the block runs; `cancel` ends the call from another thread."""
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
