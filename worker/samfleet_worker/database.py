"""A step in the database that is worth waiting for: the work before it is done, or a shard has to be given back."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.orm import Session

from samfleet.db.session import transaction
from samfleet.errors import describe
from samfleet.jobs.abandon import DATABASE_AWAY
from samfleet.logging import get_logger
from samfleet_worker.bootstrap import Services
from samfleet_worker.renewal import LeaseKeeper

log = get_logger(__name__)

RETRY_SECONDS = 2.0


def when_database_answers(
    services: Services, step: Callable[[Session], object], lease: LeaseKeeper | None = None
) -> None:
    """Carry the step out in a transaction, again and again while the database is away. The token of the lease makes a
    step void that came too late, or a second time because the answer to its commit was lost.

    Ends with the database's error when the worker is to end, and with `LeaseLost` when the lease is gone.
    """
    while True:
        try:
            with transaction(services.engine) as session:
                step(session)
        except DATABASE_AWAY as error:
            log.warning("database.away", reason=describe(error), retry_seconds=RETRY_SECONDS)
            if lease is not None:
                lease.check()
                lease.moved()
            if services.stopping.wait(RETRY_SECONDS):
                raise
        else:
            return
