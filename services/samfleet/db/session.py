"""Transactions: one per request or per step of a task, committed only at the boundary.

`transaction` commits at its end. Hooks registered by `after_commit` run after a successful commit and are dropped after
a failed one, so nothing is enqueued for rows that do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

_HOOKS = "samfleet_after_commit"


def connect(database_url: str, *, pool_size: int = 5) -> Engine:
    """Return an engine in UTC that detects connections closed by a restarted server."""
    return create_engine(
        database_url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"options": "-c timezone=utc", "connect_timeout": 10},
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """Open a session, commit it at the end of the block and run its hooks. On an error, roll back and run no hook."""
    with Session(engine, expire_on_commit=False) as session:
        yield session
        commit(session)


@contextmanager
def read_only(engine: Engine) -> Iterator[Session]:
    """Open a session on one consistent snapshot; the database refuses writes through it."""
    with Session(engine, expire_on_commit=False) as session:
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        yield session


def after_commit(session: Session, hook: Callable[[], None]) -> None:
    session.info.setdefault(_HOOKS, []).append(hook)


def commit(session: Session) -> None:
    """Commit, then run the hooks in the order of their registration."""
    hooks: list[Callable[[], None]] = session.info.pop(_HOOKS, [])
    session.commit()
    for hook in hooks:
        hook()
