from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select


@contextmanager
def try_process_lock(engine: Engine, name: str) -> Iterator[bool]:
    """Like `process_lock`, without waiting: False where another process holds the lock."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        yield bool(connection.scalar(select(func.pg_try_advisory_lock(func.hashtextextended(name, 0)))))


@contextmanager
def process_lock(engine: Engine, name: str) -> Iterator[None]:
    """Held by one process at a time, without a transaction: it may last as long as somebody else's work.

    The lock is the connection's own, so that connection is closed rather than given back to the pool: the server
    drops the lock with it, also when this process dies.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        connection.execute(select(func.pg_advisory_lock(func.hashtextextended(name, 0))))
        yield
