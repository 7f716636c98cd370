"""Indexes that migrations build beside other work, interrupted and at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from fixtures.waiting import until
from fixtures.worker.job_rows import claim_one, record_one, start_job
from samfleet.db.migrate import alembic_config, upgrade
from samfleet.db.session import read_only, transaction
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.memory_store import MemoryStore

BEFORE = "4c1e7d90ab35"
VALID = text("SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid WHERE relname = ANY(:names)")
NAMES = [f"ix_image_results_{figure}" for figure in ("iou", "masks", "score", "time")]
BUILDER = text("""
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
""")
PATIENCE = 60


def valid(engine: Engine) -> dict[str, bool]:
    with transaction(engine) as session:
        return {row.relname: row.indisvalid for row in session.execute(VALID, {"names": NAMES})}


def builders(engine: Engine) -> list[int]:
    with transaction(engine) as session:
        return list(session.scalars(BUILDER))


@pytest.fixture
def without_indexes(database_url: str, engine: Engine) -> str:
    """A database from before the indexes, with results."""
    queue = MemoryTaskQueue()
    run = start_job(engine, queue, 8)
    record_one(engine, queue, MemoryStore(), claim_one(engine, run))
    engine.dispose()
    command.downgrade(alembic_config(database_url), BEFORE)
    assert valid(engine) == {}
    return database_url


def test_a_build_blocks_no_writes_and_begins_again_after_an_interruption(without_indexes: str, engine: Engine) -> None:
    with ThreadPoolExecutor(1) as threads:
        with read_only(engine) as reader:
            reader.execute(text("SELECT count(*) FROM image_results"))  # a build ends after such a reader
            building = threads.submit(upgrade, without_indexes)
            until(lambda: building.done() or builders(engine) != [], PATIENCE)
            with transaction(engine) as session:
                session.execute(text("SET LOCAL lock_timeout = '1s'"))
                written = text("UPDATE image_results SET part_line = part_line + 1 RETURNING image_id")
                assert session.execute(written).all() != []
            with transaction(engine) as session:
                session.execute(text("SELECT pg_cancel_backend(:pid)"), {"pid": builders(engine)[0]})
        with pytest.raises(OperationalError):
            building.result(PATIENCE)
    assert valid(engine) == {"ix_image_results_masks": False}
    upgrade(without_indexes)
    assert valid(engine) == dict.fromkeys(NAMES, True)


def test_two_processes_upgrade_one_after_the_other(without_indexes: str, engine: Engine) -> None:
    with ThreadPoolExecutor(2) as threads:
        for one in [threads.submit(upgrade, without_indexes) for _ in range(2)]:
            one.result(PATIENCE)
    assert valid(engine) == dict.fromkeys(NAMES, True)
