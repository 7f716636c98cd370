from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select


@contextmanager
def try_process_lock(engine: Engine, name: str, *, shared: bool = False) -> Iterator[bool]:
    """Take the lock like `process_lock` but without waiting; yield False if another process holds it.

    Any number of processes may hold a `shared` lock, unless one waits for the whole lock or has it.
    """
    take = func.pg_try_advisory_lock_shared if shared else func.pg_try_advisory_lock
    release = func.pg_advisory_unlock_shared if shared else func.pg_advisory_unlock
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.detach()
        held = bool(connection.scalar(select(take(func.hashtextextended(name, 0)))))
        yield held
        if held:
            connection.execute(select(release(func.hashtextextended(name, 0))))


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
        connection.execute(select(func.pg_advisory_unlock(func.hashtextextended(name, 0))))
