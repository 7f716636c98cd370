"""samfleet behind a real PgBouncer that pools transactions: nothing relies on what a session keeps."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, func, select, text
from sqlalchemy.exc import OperationalError

from fixtures.models.renamed_variants import add_variants
from fixtures.servers.pgbouncer import running_pgbouncer
from fixtures.servers.postgres import _create_database, _drop_database
from fixtures.waiting import until
from fixtures.worker.job_rows import claim_one, start_job, start_runs
from fixtures.worker.worker_services import make_services, upload
from samfleet.db.copy import copy_rows
from samfleet.db.locks import process_lock, try_process_lock
from samfleet.db.migrate import register_bootstrap_key, upgrade
from samfleet.db.models import ImageResult, Tenant
from samfleet.db.session import connect, read_only, transaction
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.pooling import Pooling
from samfleet_worker.model_loading import load_variant
from samfleet_worker.triton.memory_segmenter import MemorySegmenter

SESSIONS = 2
PATIENCE = 30
LOCK = "a lock of this test"
HOLDER = """
import sys
from samfleet.db.locks import process_lock
from samfleet.db.session import connect
from samfleet.pooling import Pooling
with process_lock(connect(sys.argv[1], pooling=Pooling.TRANSACTION), sys.argv[2]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def pooled_url(database_url: str) -> Iterator[str]:
    with running_pgbouncer(database_url, SESSIONS) as url:
        yield url


@pytest.fixture
def pooled(pooled_url: str) -> Iterator[Engine]:
    engine = connect(pooled_url, pooling=Pooling.TRANSACTION)
    yield engine
    engine.dispose()


def test_each_transaction_has_its_options_and_leaves_none(pooled: Engine, pooled_url: str) -> None:
    shown = {"timezone": "UTC", "idle_in_transaction_session_timeout": "30s"}
    for begin in (transaction, read_only):
        with begin(pooled) as session:
            assert {name: session.scalar(text(f"SHOW {name}")) for name in shown} == shown
    bare = create_engine(pooled_url, connect_args={"prepare_threshold": None})
    with bare.connect() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "0"
    bare.dispose()


def test_no_statement_is_prepared(pooled: Engine) -> None:
    for _ in range(10):  # psycopg prepares a statement at its sixth execution
        with transaction(pooled) as session:
            session.execute(select(Tenant.id)).all()
            assert session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0


def test_sessions_of_a_pooler_refuse_the_options_of_direct_connections(pooled_url: str) -> None:
    engine = connect(pooled_url)
    with pytest.raises(OperationalError, match="options"), transaction(engine) as session:
        session.execute(text("SELECT 1"))
    engine.dispose()


def test_the_schema_is_made_and_a_key_registered(postgres: str) -> None:
    name = f"empty_{uuid.uuid4().hex}"
    with running_pgbouncer(_create_database(postgres, name), SESSIONS) as url:
        upgrade(url, Pooling.TRANSACTION)
        register_bootstrap_key(url, "k" * 32, Pooling.TRANSACTION)
        with closing_engine(url) as engine, read_only(engine) as session:
            assert session.scalar(select(func.count()).select_from(Tenant)) == 1
    _drop_database(postgres, name)


def test_those_that_wait_for_a_lock_keep_no_session(pooled: Engine) -> None:
    """Five wait while one holds the lock, and the other of two sessions still serves everybody."""
    order: list[int] = []

    def work(number: int) -> None:
        with process_lock(pooled, LOCK):
            order.append(number)

    with ThreadPoolExecutor(5) as threads:
        with process_lock(pooled, LOCK):
            waiting = [threads.submit(work, number) for number in range(5)]
            for _ in range(20):
                with transaction(pooled) as session:
                    session.execute(text("SELECT 1"))
            assert order == []
        for one in waiting:
            one.result(PATIENCE)
    assert sorted(order) == [0, 1, 2, 3, 4]


def test_the_lock_of_a_killed_process_is_free(pooled: Engine, pooled_url: str) -> None:
    command = [sys.executable, "-c", HOLDER, pooled_url, LOCK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with try_process_lock(pooled, LOCK) as held:
            assert not held
        holder.kill()
    until(lambda: is_free(pooled), PATIENCE)


def test_one_of_two_workers_loads_a_variant(pooled: Engine, pooled_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    add_variants(monkeypatch, "first")
    segmenter, loading, go_on = MemorySegmenter(), threading.Event(), threading.Event()
    monkeypatch.setattr(MemorySegmenter, "load", held_up(MemorySegmenter.load, loading, go_on))
    with closing_engine(pooled_url) as other:
        workers = [make_services(engine, segmenter) for engine in (pooled, other)]
        (run,) = start_runs(pooled, workers[0].queue, 8, uris=upload(workers[0], 8), variants=["first"])
        claims = [claim_one(pooled, run) for _ in workers]
        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(load_variant, workers[0], claims[0])
            assert loading.wait(PATIENCE)
            second = threads.submit(load_variant, workers[1], claims[1])
            assert not second.done()
            go_on.set()
            first.result(PATIENCE)
            second.result(PATIENCE)
    assert segmenter.loads == ["first"]


def test_a_session_that_is_lost_before_a_copy_is_the_error_that_callers_expect(pooled: Engine, engine: Engine) -> None:
    """The pooler reports the loss with its own error, before it closes the connection."""
    run = start_job(engine, MemoryTaskQueue(), 3)
    values = {"run_id": run.id, "dataset_image_id": 1, "image_id": 1, "shard_id": 1, "outcome": "succeeded"}
    with pytest.raises(OperationalError), transaction(pooled) as session:
        backend = session.scalar(select(func.pg_backend_pid()))
        with transaction(engine) as other:
            other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})
        copy_rows(session, ImageResult, [{**values, "mask_count": 0}])
    with transaction(pooled) as session:
        assert session.scalar(select(func.count()).select_from(ImageResult)) == 0


def held_up(load: Callable[..., None], loading: threading.Event, go_on: threading.Event) -> Callable[..., None]:
    """Return `load`, which tells that it has begun and goes on when it may."""

    def wait(*arguments: Any) -> None:
        loading.set()
        assert go_on.wait(PATIENCE)
        load(*arguments)

    return wait


@contextmanager
def closing_engine(url: str) -> Iterator[Engine]:
    engine = connect(url, pooling=Pooling.TRANSACTION)
    yield engine
    engine.dispose()


def is_free(engine: Engine) -> bool:
    with try_process_lock(engine, LOCK) as held:
        return held
