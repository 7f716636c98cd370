"""Locks between processes, held by a transaction that does nothing else.

The lock ends with its transaction, also when the block fails, the process dies or its connection is lost. A session's
lock would not do: a pooler of transactions (`samfleet.pooling`) lends the session to others between two statements.

Between its statements the transaction has no snapshot, so it holds up no vacuum and no concurrent build of an index,
however long the block takes. The server must not end it for being idle, nor must `samfleet.db.abandoned`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import ColumnElement, Connection, Engine, func, select

from samfleet.db.session import allow_idle

CLASS = 7_236_600  # first key of these advisory locks; the second is a hash of the name
LOOK_SECONDS = 0.25


@contextmanager
def try_process_lock(engine: Engine, name: str, *, shared: bool = False) -> Iterator[bool]:
    """Take the lock without waiting; yield False if another process holds it.

    Any number of processes may hold a `shared` lock, unless one waits in `queued_process_lock` or has the lock.
    """
    take = func.pg_try_advisory_xact_lock_shared if shared else func.pg_try_advisory_xact_lock
    with _own_connection(engine) as connection:
        held = _begin(connection, take(CLASS, func.hashtext(name)))
        yield held
        connection.commit()


@contextmanager
def process_lock(engine: Engine, name: str) -> Iterator[None]:
    """Hold the lock for the block, after other holders.

    It looks several times a second instead of waiting in the server, where each process that waits would keep a
    session of a pooler, until the holder itself gets none. The order of those that wait is chance.
    """
    with _own_connection(engine) as connection:
        while not _begin(connection, func.pg_try_advisory_xact_lock(CLASS, func.hashtext(name))):
            time.sleep(LOOK_SECONDS)
        yield
        connection.commit()


@contextmanager
def queued_process_lock(engine: Engine, name: str) -> Iterator[None]:
    """Hold the lock for the block. While it waits in the server, no other process gets the lock, shared or not."""
    with _own_connection(engine) as connection:
        _begin(connection, func.pg_advisory_xact_lock(CLASS, func.hashtext(name)))
        yield
        connection.commit()


@contextmanager
def _own_connection(engine: Engine) -> Iterator[Connection]:
    """Yield a connection outside the engine's pool, whose places are for work; its end rolls back."""
    with engine.connect() as connection:
        connection.detach()
        yield connection


def _begin(connection: Connection, take: ColumnElement[bool]) -> bool:
    """Return True in a transaction that holds the lock; otherwise no transaction is left open."""
    if connection.scalar(select(take)) is False:
        connection.rollback()
        return False
    allow_idle(connection)  # as the last statement: a SELECT keeps its snapshot until the next one
    return True
