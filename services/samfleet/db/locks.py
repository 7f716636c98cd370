from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select


@contextmanager
def try_process_lock(engine: Engine, name: str) -> Iterator[bool]:
    """Take the lock like `process_lock` but without waiting; yield False if another process holds it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        yield bool(connection.scalar(select(func.pg_try_advisory_lock(func.hashtextextended(name, 0)))))


@contextmanager
def process_lock(engine: Engine, name: str) -> Iterator[None]:
    """Hold a lock between processes for the block. It keeps no transaction open, so the block may take long.

    The lock belongs to its connection, which is closed instead of returned to the pool. The server releases the lock
    with the connection, also when this process dies.
    """
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        connection.execute(select(func.pg_advisory_lock(func.hashtextextended(name, 0))))
        yield
