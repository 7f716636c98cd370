"""Thread that ends abandoned transactions; a task could not, because the tasks may all wait for their locks."""

from __future__ import annotations

import threading

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from samfleet.db.abandoned import end_abandoned
from samfleet.errors import describe
from samfleet.logging import get_logger

log = get_logger(__name__)

INTERVAL_SECONDS = 10.0


class TransactionWatch:
    def __init__(self, engine: Engine, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._engine = engine
        self._interval_seconds = interval_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="transaction-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(self._interval_seconds):
            try:
                end_abandoned(self._engine)
            except SQLAlchemyError as error:
                log.warning("transactions.not_watched", reason=describe(error))
