from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, func, select


@contextmanager
def try_process_lock(engine: Engine, name: str) -> Iterator[bool]:
    """Take the lock like `process_lock` but without waiting; yield False if another process holds it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        held = bool(connection.scalar(select(func.pg_try_advisory_lock(func.hashtextextended(name, 0)))))
        yield held
        if held:
            _unlock(connection, name)


@contextmanager
def process_lock(engine: Engine, name: str) -> Iterator[None]:
    """Hold a lock between processes for the block. It keeps no transaction open, so the block may take long.

    The lock belongs to its connection, which is closed instead of returned to the pool. The server releases the lock
    with the connection, also when the block fails or this process dies. That happens a moment after the close, so a
    block that succeeds unlocks first: the next caller must not find the lock held.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        connection.execute(select(func.pg_advisory_lock(func.hashtextextended(name, 0))))
        yield
        _unlock(connection, name)


def _unlock(connection: Connection, name: str) -> None:
    connection.execute(select(func.pg_advisory_unlock(func.hashtextextended(name, 0))))
