"""Shards that may run in one worker at the same time: any number side by side, or a suspect alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.5  # how soon a waiting thread notices that the worker is to end


class Company:
    """The shards that run in this worker.

    A suspect waits until the shards in progress have ended; shards that come meanwhile wait for it.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running = 0
        self._alone = False
        self._suspects_waiting = 0

    @contextmanager
    def joined(self, *, alone: bool, stopping: threading.Event) -> Iterator[bool]:
        """Yield True while a place is held; False, with nothing held, if the worker was asked to end."""
        with self._changed:
            joined = self._wait_alone(stopping) if alone else self._wait_for_suspects(stopping)
        try:
            yield joined
        finally:
            if joined:
                with self._changed:
                    self._running -= 1
                    self._alone = False
                    self._changed.notify_all()

    def _wait_alone(self, stopping: threading.Event) -> bool:
        self._suspects_waiting += 1
        try:
            while self._running and not stopping.is_set():
                self._changed.wait(_LOOK_SECONDS)
        finally:
            self._suspects_waiting -= 1
            self._changed.notify_all()
        if stopping.is_set():
            return False
        self._running, self._alone = 1, True
        return True

    def _wait_for_suspects(self, stopping: threading.Event) -> bool:
        while (self._alone or self._suspects_waiting) and not stopping.is_set():
            self._changed.wait(_LOOK_SECONDS)
        if stopping.is_set():
            return False
        self._running += 1
        return True
