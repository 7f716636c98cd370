"""Thread that ends abandoned transactions; a task could not, because the tasks may all wait for their locks."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Engine

from samfleet.db.abandoned import end_abandoned
from samfleet_worker.periodic import PeriodicThread

INTERVAL_SECONDS = 10.0


def transaction_watch(engine: Engine, interval_seconds: float = INTERVAL_SECONDS) -> PeriodicThread:
    return PeriodicThread(
        "transaction-watch", interval_seconds, partial(end_abandoned, engine), "transactions.not_watched"
    )
