from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey, BrowserSession, LoginLink, Tenant
from samfleet.db.valid_keys import VALID
from samfleet_api.keys.repository import CALLER, Caller


@dataclass(frozen=True, slots=True)
class OpenSession:
    caller: Caller
    tenant: str
    key_name: str
    expires_at: datetime


def key_of_secret(session: Session, key: str) -> uuid.UUID | None:
    """Return the id of the key, or None if it is not valid or its tenant is disabled."""
    return session.scalars(_usable().where(ApiKey.key_sha256 == hash_key(key))).one_or_none()


def _usable() -> Select[uuid.UUID]:
    return select(ApiKey.id).join(Tenant, Tenant.id == ApiKey.tenant_id).where(VALID, Tenant.disabled_at.is_(None))


def add_link(session: Session, key_id: uuid.UUID, token: str, lifetime: timedelta) -> datetime:
    """Store a login link and return its expiry time. Also deletes all expired links."""
    session.execute(delete(LoginLink).where(LoginLink.expires_at <= func.now()))
    link = LoginLink(api_key_id=key_id, token_sha256=hash_key(token), expires_at=func.now() + lifetime)
    session.add(link)
    session.flush()
    return link.expires_at


def take_link(session: Session, token: str) -> uuid.UUID | None:
    """Delete the link and return the id of its key. It is one statement, so only one of two browsers gets in."""
    usable = (
        delete(LoginLink)
        .where(LoginLink.token_sha256 == hash_key(token), LoginLink.expires_at > func.now())
        .returning(LoginLink.api_key_id)
    )
    key_id = session.scalars(usable).one_or_none()
    return session.scalars(_usable().where(ApiKey.id == key_id)).one_or_none()


def open_session(session: Session, key_id: uuid.UUID, token: str, lifetime: timedelta) -> None:
    """Store a session. Also deletes all expired sessions."""
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= func.now()))
    values = {"api_key_id": key_id, "token_sha256": hash_key(token), "expires_at": func.now() + lifetime}
    session.add(BrowserSession(**values))
    session.flush()


def find_session(session: Session, token: str) -> OpenSession | None:
    """Find a session by the hash of its token, as for keys. It ends with its key."""
    row = session.execute(
        select(*CALLER, Tenant.name, ApiKey.name, BrowserSession.expires_at)
        .join(ApiKey, ApiKey.id == BrowserSession.api_key_id)
        .join(Tenant, Tenant.id == ApiKey.tenant_id)
        .where(
            BrowserSession.token_sha256 == hash_key(token),
            BrowserSession.expires_at > func.now(),
            VALID,
        )
    ).one_or_none()
    if row is None:
        return None
    values: list[Any] = list(row)
    return OpenSession(Caller(*values[: len(CALLER)]), *values[len(CALLER) :])


def close_session(session: Session, token: str) -> None:
    session.execute(delete(BrowserSession).where(BrowserSession.token_sha256 == hash_key(token)))
