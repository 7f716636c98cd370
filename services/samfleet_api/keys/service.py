from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from samfleet.db.keys import new_key
from samfleet.db.models import ApiKey, Tenant
from samfleet.errors import Conflict, NotFound
from samfleet_api.keys import repository


class KeyNotFound(NotFound):
    """There is no key with this id; GET /v1/keys lists them."""

    code = "key_not_found"


class LastAdminKey(Conflict):
    """This is the last admin key; create another one before you revoke it."""

    code = "last_admin_key"


def create_key(session: Session, tenant: Tenant, *, name: str, is_admin: bool) -> tuple[ApiKey, str]:
    """Return a new key and its secret, which is not stored."""
    secret = new_key()
    return repository.add(session, tenant.id, secret, name=name, is_admin=is_admin), secret


def revoke_key(session: Session, key_id: uuid.UUID) -> None:
    """Revoke a key. A second call changes nothing."""
    admins = repository.lock_admins(session)
    key = repository.lock(session, key_id)
    if key is None:
        raise KeyNotFound(f"there is no key {key_id}; GET /v1/keys lists them")
    if key.revoked_at is not None:
        return
    if list(admins) == [key.id]:
        raise LastAdminKey(f"key {key_id} is the last admin key; create another one before you revoke it")
    repository.revoke(session, key)
