"""Transactions: one per request or per step of a task, committed at the boundary only.

`transaction` commits at its end; what `after_commit` collected runs once the commit has succeeded and is dropped
when it has not, so nothing is ever enqueued for rows that do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session

_HOOKS = "samfleet_after_commit"


def connect(database_url: str, *, pool_size: int = 5) -> Engine:
    """An engine in UTC that notices connections which a restarted server has closed."""
    return create_engine(
        database_url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"options": "-c timezone=utc", "connect_timeout": 10},
    )


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """One committed step; on any error everything is rolled back and no hook runs."""
    with Session(engine, expire_on_commit=False) as session:
        yield session
        commit(session)


@contextmanager
def read_only(engine: Engine) -> Iterator[Session]:
    """One consistent snapshot for reading; writing through it fails in the database."""
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
