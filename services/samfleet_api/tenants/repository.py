from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey


@dataclass(frozen=True, slots=True)
class KnownKey:
    key_id: uuid.UUID
    tenant_id: uuid.UUID


def find_key(session: Session, key: str) -> KnownKey | None:
    """Found by the key's hash: what is compared is no secret, so its timing says nothing about keys."""
    query = select(ApiKey.id, ApiKey.tenant_id).where(ApiKey.key_sha256 == hash_key(key), ApiKey.revoked_at.is_(None))
    row = session.execute(query).one_or_none()
    return KnownKey(row.id, row.tenant_id) if row else None
