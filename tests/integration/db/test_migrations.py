from __future__ import annotations

import pytest
from alembic import command
from sqlalchemy import Engine, select
from sqlalchemy.exc import InternalError

from samfleet.db.keys import hash_key, new_key
from samfleet.db.migrate import alembic_config, register_key
from samfleet.db.models import ApiKey, Tenant
from samfleet.db.session import after_commit, read_only, transaction


def test_models_and_migrations_agree(database_url: str) -> None:
    command.check(alembic_config(database_url))  # raises when autogenerate would write anything


def test_every_migration_can_be_undone(database_url: str) -> None:
    command.downgrade(alembic_config(database_url), "base")
    command.upgrade(alembic_config(database_url), "head")
    command.check(alembic_config(database_url))


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
