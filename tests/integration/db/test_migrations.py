from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import InternalError

from fixtures.worker.job_rows import claim_one, record_one, start_job
from samfleet.db.keys import hash_key, new_key
from samfleet.db.migrate import SchemaUnknown, alembic_config, register_key, upgrade
from samfleet.db.models import ApiKey, Tenant
from samfleet.db.session import after_commit, read_only, transaction
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.memory_store import MemoryStore

VIEWS = ("throughput", "cost")


def test_models_and_migrations_agree(database_url: str) -> None:
    command.check(alembic_config(database_url))  # raises if autogenerate would write anything


def test_every_migration_can_be_reverted(database_url: str) -> None:
    command.downgrade(alembic_config(database_url), "base")
    command.upgrade(alembic_config(database_url), "head")
    command.check(alembic_config(database_url))


def test_measurements_survive_a_downgrade_and_an_upgrade(database_url: str, engine: Engine) -> None:
    """Downgrade to the schema without views and upgrade again; a migration that moves data extends this test."""
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 8)
    for failures in (1, 0):
        record_one(engine, queue, store, claim_one(engine, run), failed=failures)
    rollups = text("SELECT series_id, stage, batch_class, n, failures, counts, histogram FROM rollups ORDER BY 1, 2, 3")
    shards = text("SELECT index, failed FROM shards ORDER BY index")
    with read_only(engine) as session:
        before = [session.execute(query).all() for query in (rollups, shards)]
    engine.dispose()
    command.downgrade(alembic_config(database_url), "7d2e9b662217")
    with read_only(engine) as session:
        assert [session.execute(query).all() for query in (rollups, shards)] == before
        assert session.execute(text("SELECT to_regnamespace('reports')")).scalar_one() is None
    engine.dispose()
    command.upgrade(alembic_config(database_url), "head")
    with read_only(engine) as session:
        assert [session.execute(query).all() for query in (rollups, shards)] == before
        assert [session.execute(text(f"SELECT sum(n) FROM reports.{view}")).scalar_one() for view in VIEWS] == [7, 7]


def test_a_schema_of_a_different_release_is_refused(database_url: str, engine: Engine) -> None:
    with transaction(engine) as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'feedfacecafe'"))
    with pytest.raises(SchemaUnknown, match="feedfacecafe"):
        upgrade(database_url)
    with read_only(engine) as session:
        assert session.execute(text("SELECT count(*) FROM tenants")).scalar_one() == 0


def test_a_key_registered_twice_is_stored_once(database_url: str, engine: Engine) -> None:
    key = new_key()
    register_key(database_url, key)
    register_key(database_url, key)
    with read_only(engine) as session:
        assert session.scalars(select(ApiKey.key_sha256)).all() == [hash_key(key)]


def test_hooks_run_after_the_commit_and_never_after_a_rollback(engine: Engine) -> None:
    seen: list[int] = []

    def count_tenants() -> None:
        with read_only(engine) as other:
            seen.append(len(other.scalars(select(Tenant.id)).all()))

    with transaction(engine) as session:
        session.add(Tenant(name="first"))
        after_commit(session, count_tenants)
    with pytest.raises(ZeroDivisionError), transaction(engine) as session:
        session.add(Tenant(name="second"))
        after_commit(session, count_tenants)
        _ = 1 / 0
    assert seen == [1]


def test_a_read_only_session_cannot_write(engine: Engine) -> None:
    with pytest.raises(InternalError, match="read-only"), read_only(engine) as session:
        session.add(Tenant(name="never"))
        session.flush()
