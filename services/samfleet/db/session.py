"""Transactions: one per request or per step of a task, committed only at the boundary.

`transaction` commits at its end. Hooks registered by `after_commit` run after a successful commit and are dropped after
a failed one, so nothing is enqueued for rows that do not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.orm import Session

from samfleet.pooling import Pooling

_HOOKS = "samfleet_after_commit"
# A process that is stopped, or whose machine is lost, must not keep its locks: the server ends a transaction that gets
# no statement for this time (`samfleet.db.abandoned` those that it misses), and a connection to a machine that does not
# reply.
IDLE_SECONDS = 30  # the longest computation between two statements takes seconds
_OPTIONS = {"timezone": "utc", "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s"}
_KEEPALIVES = {"tcp_keepalives_idle": "60", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "6"}
_SET_LOCAL = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in _OPTIONS.items())


def connect(database_url: str, *, pool_size: int = 5, pooling: Pooling = Pooling.SESSION) -> Engine:
    """Return an engine in UTC that detects connections closed by a restarted server.

    The server ends transactions that are idle for half a minute. With `Pooling.TRANSACTION` nothing is left in a
    session that a later transaction needs: no options, no prepared statements.
    """
    in_session = pooling is Pooling.SESSION
    engine = create_engine(
        database_url,
        pool_pre_ping=True,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"connect_timeout": 10, **(_of_session() if in_session else {"prepare_threshold": None})},
    )
    if not in_session:
        event.listen(engine, "begin", _set_options)
    return engine


def _of_session() -> dict[str, str]:
    return {"options": " ".join(f"-c {name}={value}" for name, value in {**_OPTIONS, **_KEEPALIVES}.items())}


def _set_options(connection: Connection) -> None:
    """Set the options of the transaction that begins; statements that take no snapshot may precede any other."""
    connection.exec_driver_sql(_SET_LOCAL)


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


def allow_idle(session: Session | Connection) -> None:
    """Let this transaction be idle for any time. It must hold no locks that other steps wait for."""
    session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def after_commit(session: Session, hook: Callable[[], None]) -> None:
    session.info.setdefault(_HOOKS, []).append(hook)


def commit(session: Session) -> None:
    """Commit, then run the hooks in the order of their registration."""
    hooks: list[Callable[[], None]] = session.info.pop(_HOOKS, [])
    session.commit()
    for hook in hooks:
        hook()
