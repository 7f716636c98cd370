from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from samfleet.db.locks import process_lock, try_process_lock

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


def test_a_lock_is_released_when_its_block_fails(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), process_lock(engine, LOCK):
        _ = 1 / 0
    with process_lock(engine, LOCK):  # waits for the server to release the connection's locks
        pass
