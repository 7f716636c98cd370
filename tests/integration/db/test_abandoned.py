"""Transactions of stopped clients, on connections that the test drives message by message."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from sqlalchemy import Engine, text

from fixtures.waiting import until
from samfleet.db.abandoned import end_abandoned
from samfleet.db.locks import process_lock, queued_process_lock
from samfleet.db.models import Tenant
from samfleet.db.session import transaction
from samfleet.db.stopped_copies import StoppedCopies
from samfleet_worker import transaction_watch

PATIENCE = 20
AT_ONCE = timedelta(0)
LOCK = "SELECT id FROM tenants FOR UPDATE"


@pytest.fixture
def row(engine: Engine) -> None:
    with transaction(engine) as session:
        session.add(Tenant(name="locked"))


def begin(database_url: str, statement: str) -> psycopg.Connection:
    """Begin a transaction that the server ends when it is idle for a tenth of a second."""
    address = database_url.replace("postgresql+psycopg://", "postgresql://")
    connection = psycopg.connect(address, options="-c idle_in_transaction_session_timeout=100ms")
    connection.execute(statement)
    return connection


@contextmanager
def stopped_client(database_url: str) -> Iterator[None]:
    """A client that holds a lock and has stopped after a flush in a pipeline."""
    with closing(begin(database_url, LOCK)) as connection:
        connection.pgconn.enter_pipeline_mode()
        connection.pgconn.send_flush_request()
        connection.pgconn.flush()
        yield


def count(engine: Engine, condition: str) -> int:
    """Count the sessions of the database with this condition; other tests use the server too."""
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    with transaction(engine) as session:
        return int(session.scalars(text(f"{sessions} AND {condition}")).one())


def wait_for_the_lock(engine: Engine) -> threading.Thread:
    """Start a thread that waits for the lock, and return once it does."""

    def take() -> None:
        with transaction(engine) as session:
            session.execute(text(LOCK))

    thread = threading.Thread(target=take)
    thread.start()
    until(lambda: count(engine, "wait_event_type = 'Lock'") == 1)
    return thread


@pytest.mark.usefixtures("row")
def test_a_stopped_client_that_blocks_others_is_ended(engine: Engine, database_url: str) -> None:
    with stopped_client(database_url), closing(begin(database_url, "SELECT 'idle only'")):
        other = wait_for_the_lock(engine)
        until(lambda: count(engine, "query LIKE '%idle only%' AND pid <> pg_backend_pid()") == 0)
        assert other.is_alive()  # the server has ended the later transaction, and not this one
        assert end_abandoned(engine, timedelta(hours=1)) == 0
        assert other.is_alive()
        assert end_abandoned(engine, AT_ONCE) == 1
        other.join(PATIENCE)
        assert not other.is_alive()


def test_the_holder_of_a_lock_between_processes_may_be_idle(engine: Engine) -> None:
    def wait() -> None:
        with queued_process_lock(engine, "a lock"):
            pass

    with process_lock(engine, "a lock"):
        other = threading.Thread(target=wait)
        other.start()
        until(lambda: count(engine, "wait_event = 'advisory'") == 1)
        assert count(engine, "state = 'idle in transaction' AND query LIKE 'SET LOCAL%'") == 1
        assert end_abandoned(engine, AT_ONCE) == 0
    other.join(PATIENCE)
    assert not other.is_alive()


@pytest.mark.usefixtures("row")
def test_a_transaction_that_blocks_nobody_may_be_idle(engine: Engine, database_url: str) -> None:
    with stopped_client(database_url):
        assert end_abandoned(engine, AT_ONCE) == 0


@pytest.mark.usefixtures("row")
def test_a_transaction_that_is_at_work_is_left_alone(engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text(LOCK))
        other = wait_for_the_lock(engine)
        session.execute(text("SELECT 1"))
        assert end_abandoned(engine) == 0
        assert other.is_alive()
    other.join(PATIENCE)


@contextmanager
def stopped_copy(database_url: str) -> Iterator[psycopg.Copy]:
    """A client that holds a lock and has stopped within a COPY, beyond the limit on idle transactions."""
    with closing(begin(database_url, LOCK)) as connection:
        connection.execute("CREATE TEMPORARY TABLE copied (line text) ON COMMIT DROP")
        with suppress(psycopg.Error), connection.cursor().copy("COPY copied FROM STDIN") as copy:
            yield copy
        connection.close()


@pytest.mark.usefixtures("row")
def test_a_client_that_stopped_within_a_copy_is_ended_if_it_blocks_others(engine: Engine, database_url: str) -> None:
    now = 0.0
    copies = StoppedCopies(engine, idle_seconds=30, clock=lambda: now)
    with stopped_copy(database_url) as copy:
        assert copies.end() == 0
        now = 100.0
        assert copies.end() == 0  # it blocks nobody
        other = wait_for_the_lock(engine)
        assert copies.end() == end_abandoned(engine, AT_ONCE) == 0  # seen for the first time
        for piece in range(300):  # more than the buffers between, so that the server gets some of it
            copy.write(f"{piece}".zfill(1000) + "\n")
        until(lambda: count(engine, "wait_event = 'ClientRead' AND query LIKE 'COPY%'") == 1)
        now = 130.0
        assert copies.end() == 0  # it went on
        now = 159.0
        assert copies.end() == 0
        assert other.is_alive()
        now = 160.0
        assert copies.end() == 1
        other.join(PATIENCE)
        assert not other.is_alive()


@pytest.mark.usefixtures("row")
def test_every_worker_watches(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction_watch, "end_abandoned", lambda engine: end_abandoned(engine, AT_ONCE))
    monkeypatch.setattr(transaction_watch, "StoppedCopies", partial(StoppedCopies, idle_seconds=0))
    for stopped in (stopped_client, stopped_copy):
        watch = transaction_watch.transaction_watch(engine, interval_seconds=0.02)
        with stopped(database_url):
            other = wait_for_the_lock(engine)
            watch.start()
            other.join(PATIENCE)
            assert not other.is_alive()
            watch.stop()
