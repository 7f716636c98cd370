from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from samfleet.db.locks import process_lock, try_process_lock
from samfleet.db.session import transaction

LOCK = "a lock of this test"


def test_one_process_holds_a_lock(engine: Engine) -> None:
    with process_lock(engine, LOCK), try_process_lock(engine, LOCK) as held:
        assert not held


def test_a_lock_is_free_when_its_block_has_ended(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server releases the locks of a closed connection a moment later; here none is closed."""
    closed: list[psycopg.Connection[Any]] = []
    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Connection, "close", lambda connection: closed.append(connection))  # noqa: PLW0108 - a bound method takes no self
        for _ in range(2):
            with try_process_lock(engine, LOCK) as held:
                assert held
        with process_lock(engine, LOCK):
            pass
        with try_process_lock(engine, LOCK) as held:
            assert held
    for connection in closed:
        connection.close()


def test_a_lock_holds_up_neither_vacuum_nor_the_build_of_an_index(engine: Engine) -> None:
    """The holder's transaction has no snapshot and no id."""
    with process_lock(engine, LOCK), transaction(engine) as session:
        idle = "SELECT backend_xmin, backend_xid FROM pg_stat_activity WHERE state = 'idle in transaction'"
        assert session.execute(text(f"{idle} AND datname = current_database()")).all() == [(None, None)]


def test_a_lock_is_released_when_its_block_fails(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), process_lock(engine, LOCK):
        _ = 1 / 0
    with process_lock(engine, LOCK):  # waits for the server to release the connection's locks
        pass
