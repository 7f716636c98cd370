"""A thread that does something again and again, beside the tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from samfleet.errors import describe
from samfleet.logging import get_logger

log = get_logger(__name__)


class PeriodicThread:
    """Calls `act` at once and then every `interval_seconds`. Errors of the database are logged as `event`."""

    def __init__(self, name: str, interval_seconds: float, act: Callable[[], object], event: str) -> None:
        self._interval_seconds = interval_seconds
        self._act = act
        self._event = event
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, most_seconds: float | None = None) -> None:
        """End the thread, after what it is doing; return earlier if that takes more than `most_seconds`."""
        self._ended.set()
        self._thread.join(most_seconds)

    def _repeat(self) -> None:
        while True:
            try:
                self._act()
            except SQLAlchemyError as error:
                log.warning(self._event, reason=describe(error))
            if self._ended.wait(self._interval_seconds):
                return
