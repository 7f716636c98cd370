from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import InternalError

from fixtures.worker.job_rows import claim_one, record_one, start_job
from samfleet.db.keys import hash_key, new_key
from samfleet.db.migrate import alembic_config, register_key
from samfleet.db.models import ApiKey, Tenant
from samfleet.db.session import after_commit, read_only, transaction
from samfleet.jobs.queue import MemoryTaskQueue
from samfleet.storage.memory_store import MemoryStore

VIEWS = ("throughput", "cost")


def test_models_and_migrations_agree(database_url: str) -> None:
    command.check(alembic_config(database_url))  # raises when autogenerate would write anything


def test_every_migration_can_be_undone(database_url: str) -> None:
    command.downgrade(alembic_config(database_url), "base")
    command.upgrade(alembic_config(database_url), "head")
    command.check(alembic_config(database_url))


def test_what_was_measured_outlives_the_way_back_and_forth(database_url: str, engine: Engine) -> None:
    """To where rollups had no histograms, no energy and no other sites; what is derived is made anew."""
    queue, store = MemoryTaskQueue(), MemoryStore()
    run = start_job(engine, queue, 8)
    for failures in (1, 0):
        record_one(engine, queue, store, claim_one(engine, run), failed=failures)
    told = text("SELECT series_id, stage, batch_class, n, failures, counts, histogram FROM rollups ORDER BY 1, 2, 3")
    failed = text("SELECT index, failed FROM shards ORDER BY index")
    with read_only(engine) as session:
        before = [session.execute(query).all() for query in (told, failed)]
    engine.dispose()
    command.downgrade(alembic_config(database_url), "5b7d0c93e1f6")
    with read_only(engine) as session:
        assert session.execute(text("SELECT sum(n) FROM reports.cells WHERE stage = 'image'")).scalar_one() == 7
    engine.dispose()
    command.upgrade(alembic_config(database_url), "head")
    with read_only(engine) as session:
        assert [session.execute(query).all() for query in (told, failed)] == before
        assert [session.execute(text(f"SELECT sum(n) FROM reports.{view}")).scalar_one() for view in VIEWS] == [7, 7]


def test_datasets_of_one_name_are_told_apart_when_their_content_is_known(database_url: str, engine: Engine) -> None:
    """Series from before share the label of their name; a series whose job is gone could be of either dataset."""
    queue, store = MemoryTaskQueue(), MemoryStore()
    for images in (4, 6, 8):
        record_one(engine, queue, store, claim_one(engine, start_job(engine, queue, images)))
    with transaction(engine) as session:
        one_tenant = "UPDATE report_series SET tenant_id = (SELECT tenant_id FROM report_series ORDER BY id LIMIT 1)"
        session.execute(text(one_tenant))
        session.execute(text("UPDATE report_series SET run_id = NULL WHERE id = (SELECT max(id) FROM report_series)"))
    engine.dispose()
    command.downgrade(alembic_config(database_url), "9d47b3e6c105")
    with read_only(engine) as session:
        (name,) = session.scalars(text("SELECT DISTINCT dataset FROM report_series")).all()
    engine.dispose()
    command.upgrade(alembic_config(database_url), "head")
    with read_only(engine) as session:
        rows = session.execute(text("SELECT dataset, dataset_content FROM report_series ORDER BY id")).all()
        known = session.scalars(text("SELECT content_sha256 FROM datasets ORDER BY created_at")).all()
    assert [row.dataset_content for row in rows] == [*known[:2], None]
    assert [row.dataset for row in rows] == [name, f"{name} #{known[1][:12]}", f"{name} #unknown"]


def test_registering_a_key_twice_keeps_one(database_url: str, engine: Engine) -> None:
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
