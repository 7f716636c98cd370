"""Admin keys: one always remains, and the bootstrap key follows its setting."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from samfleet.db.audit import Actor
from samfleet.db.keys import hash_key, new_key
from samfleet.db.migrate import register_bootstrap_key, register_key
from samfleet.db.models import ApiKey, Scope
from samfleet.db.models import Tenant as TenantRow
from samfleet.db.session import read_only, transaction
from samfleet.db.valid_keys import lock_admins
from samfleet_api.keys import service
from samfleet_api.keys.service import LastAdminKey, revoke_key

ACTOR = Actor("test")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_the_last_admin_key_cannot_be_revoked(database_url: str, engine: Engine) -> None:
    for number in range(2):
        register_key(database_url, new_key(), name=f"admin {number}", admin=True)
    register_key(database_url, new_key(), name="no admin")
    with transaction(engine) as session:
        first, second = (one.key_id for one in lock_admins(session))
        revoke_key(session, ACTOR, first)
    with transaction(engine) as session:
        with pytest.raises(LastAdminKey):
            revoke_key(session, ACTOR, second)
        revoke_key(session, ACTOR, session.scalars(select(ApiKey.id).where(~ApiKey.is_admin)).one())


def test_an_admin_key_that_expires_does_not_count_as_the_last(database_url: str, engine: Engine) -> None:
    register_key(database_url, new_key(), admin=True)
    with transaction(engine) as session:
        tenant = session.scalars(select(TenantRow)).one()
        soon = datetime.now(UTC) + timedelta(hours=1)
        expiring, _ = service.create_key(session, ACTOR, tenant, name="soon", scope=Scope.ADMIN, expires_at=soon)
        lasting = next(one.key_id for one in lock_admins(session) if one.expires_at is None)
        with pytest.raises(LastAdminKey):
            revoke_key(session, ACTOR, lasting)
        revoke_key(session, ACTOR, expiring.id)


def valid_keys(engine: Engine) -> list[tuple[str, bool]]:
    with read_only(engine) as session:
        rows = session.execute(
            select(ApiKey.key_sha256, ApiKey.is_admin).where(ApiKey.revoked_at.is_(None)).order_by(ApiKey.created_at)
        )
        return [(row.key_sha256, row.is_admin) for row in rows]


def test_a_changed_bootstrap_key_replaces_the_previous_one(database_url: str, engine: Engine) -> None:
    first, second, other = new_key(), new_key(), new_key()
    register_bootstrap_key(database_url, first)
    register_key(database_url, other, tenant="default", name="bootstrap")
    for _ in range(2):
        register_bootstrap_key(database_url, second)
    assert valid_keys(engine) == [(hash_key(other), False), (hash_key(second), True)]


def test_a_revoked_bootstrap_key_neither_returns_nor_locks_out_others(database_url: str, engine: Engine) -> None:
    first, second = new_key(), new_key()
    for key in (first, second, first):
        register_bootstrap_key(database_url, key)
    assert valid_keys(engine) == [(hash_key(second), True)]
