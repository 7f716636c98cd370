"""SQL queries for keys."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey, BrowserSession, LoginLink, Scope, Tenant
from samfleet.db.models.tenants import scope_of_key
from samfleet.db.valid_keys import VALID

USE_NOTED_EVERY = timedelta(minutes=1)  # one small write per minute and key in use
_use_is_old = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < func.now() - USE_NOTED_EVERY)


@dataclass(frozen=True, slots=True)
class Caller:
    """Authenticated sender of a request. `use_is_old`: the stored last use is more than a minute ago."""

    key_id: uuid.UUID
    tenant_id: uuid.UUID
    is_admin: bool
    is_read_only: bool
    tenant_is_disabled: bool
    use_is_old: bool
    tenant_requests_per_minute: int | None = None  # None: the server's default

    @property
    def scope(self) -> Scope:
        return scope_of_key(is_admin=self.is_admin, is_read_only=self.is_read_only)


# The fields of `Caller`, of a query that joins the key's tenant.
CALLER = (
    ApiKey.id, ApiKey.tenant_id, ApiKey.is_admin, ApiKey.is_read_only, Tenant.disabled_at.is_not(None), _use_is_old,
    Tenant.requests_per_minute,
)  # fmt: skip


class ListedKey(NamedTuple):
    key: ApiKey
    tenant: str


def caller_of_key(session: Session, key: str) -> Caller | None:
    """Find the caller by the hash of the key. The hash is not secret, so the timing of the comparison leaks nothing."""
    query = select(*CALLER).join(Tenant, Tenant.id == ApiKey.tenant_id)
    row = session.execute(query.where(ApiKey.key_sha256 == hash_key(key), VALID)).one_or_none()
    return Caller(*row) if row else None


def mark_used(session: Session, key_id: uuid.UUID) -> None:
    """Update the time of the key's last use. If another request holds the row's lock, skip the update."""
    free = select(ApiKey.id).where(ApiKey.id == key_id, _use_is_old).with_for_update(skip_locked=True, key_share=True)
    session.execute(update(ApiKey).where(ApiKey.id.in_(free)).values(last_used_at=func.now()))


def page(
    session: Session, *, tenant: str | None, before: tuple[datetime, uuid.UUID] | None, limit: int
) -> Sequence[ListedKey]:
    """Return keys, newest first, including revoked ones. `before` is (created_at, id) of the last one seen."""
    query = select(ApiKey, Tenant.name).join(Tenant, Tenant.id == ApiKey.tenant_id)
    if tenant is not None:
        query = query.where(Tenant.name == tenant)
    if before is not None:
        query = query.where(tuple_(ApiKey.created_at, ApiKey.id) < before)
    rows = session.execute(query.order_by(ApiKey.created_at.desc(), ApiKey.id.desc()).limit(limit))
    return [ListedKey(*row) for row in rows]


def add(
    session: Session, tenant_id: uuid.UUID, key: str, *, name: str, scope: Scope, expires_at: datetime | None
) -> ApiKey:
    row = ApiKey(
        tenant_id=tenant_id,
        name=name,
        key_sha256=hash_key(key),
        is_admin=scope is Scope.ADMIN,
        is_read_only=scope is Scope.READ,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    return row


def lock(session: Session, key_id: uuid.UUID) -> ApiKey | None:
    query = select(ApiKey).where(ApiKey.id == key_id).with_for_update(key_share=True)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def revoke(session: Session, key: ApiKey) -> None:
    """Revoke a key and close the browser sessions that were opened with it."""
    key.revoked_at = func.now()
    for opened in (BrowserSession, LoginLink):
        session.execute(delete(opened).where(opened.api_key_id == key.id))
    session.flush()
