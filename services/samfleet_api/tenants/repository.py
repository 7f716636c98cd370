from __future__ import annotations

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.keys import hash_key
from samfleet.db.models import ApiKey


def tenant_of_key(session: Session, key: str) -> uuid.UUID | None:
    """Found by the key's hash: what is compared is no secret, so its timing says nothing about keys."""
    query = select(ApiKey.tenant_id).where(ApiKey.key_sha256 == hash_key(key), ApiKey.revoked_at.is_(None))
    return session.scalars(query).one_or_none()
