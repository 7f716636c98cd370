"""Thread that ends abandoned transactions; a task could not, because the tasks may all wait for their locks."""

from __future__ import annotations

from sqlalchemy import Engine

from samfleet.db.abandoned import end_abandoned
from samfleet.db.stopped_copies import StoppedCopies
from samfleet_worker.periodic import PeriodicThread

INTERVAL_SECONDS = 10.0


def transaction_watch(engine: Engine, interval_seconds: float = INTERVAL_SECONDS) -> PeriodicThread:
    copies = StoppedCopies(engine)

    def end() -> None:
        end_abandoned(engine)
        copies.end()

    return PeriodicThread("transaction-watch", interval_seconds, end, "transactions.not_watched")
