from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey, BrowserSession, Tenant
from samfleet_api.keys.repository import CALLER, Caller


@dataclass(frozen=True, slots=True)
class OpenSession:
    caller: Caller
    tenant: str
    key_name: str
    expires_at: datetime


def open_session(session: Session, key: str, token: str, lifetime: timedelta) -> bool:
    """False where the key is unknown or revoked. Sessions of anybody that are over are removed on the way."""
    key_id = session.scalars(
        select(ApiKey.id).where(ApiKey.key_sha256 == hash_key(key), ApiKey.revoked_at.is_(None))
    ).one_or_none()
    if key_id is None:
        return False
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= func.now()))
    values = {"api_key_id": key_id, "token_sha256": hash_key(token), "expires_at": func.now() + lifetime}
    session.add(BrowserSession(**values))
    session.flush()
    return True


def find_session(session: Session, token: str) -> OpenSession | None:
    """By the token's hash, as keys are found; a revoked key ends its sessions at once."""
    row = session.execute(
        select(*CALLER, Tenant.name, ApiKey.name, BrowserSession.expires_at)  # the first four are the caller
        .join(ApiKey, ApiKey.id == BrowserSession.api_key_id)
        .join(Tenant, Tenant.id == ApiKey.tenant_id)
        .where(
            BrowserSession.token_sha256 == hash_key(token),
            BrowserSession.expires_at > func.now(),
            ApiKey.revoked_at.is_(None),
        )
    ).one_or_none()
    if row is None:
        return None
    return OpenSession(Caller(*row[:4]), *row[4:])


def close_session(session: Session, token: str) -> None:
    session.execute(delete(BrowserSession).where(BrowserSession.token_sha256 == hash_key(token)))
