"""Database steps that wait for the database, because finished work or the release of a shard depends on them."""

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
    """Run the step in a transaction, and repeat it while the database is away.

    The token of the lease makes a step void that came too late, or twice because the reply to its commit was lost.
    Raises the database's error if the worker is to end, and `LeaseLost` if the lease is lost.
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
