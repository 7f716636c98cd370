from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from samfleet.db.audit import Action, Actor, write_audit
from samfleet.db.keys import new_key
from samfleet.db.models import ApiKey, Scope, Tenant
from samfleet.db.valid_keys import ValidAdmin, lock_admins
from samfleet.errors import Conflict, InvalidInput, NotFound
from samfleet_api.keys import repository


class KeyNotFound(NotFound):
    """There is no key with this id; GET /v1/keys lists them."""

    code = "key_not_found"


class LastAdminKey(Conflict):
    """This is the last admin key that does not expire; create another one before you revoke it."""

    code = "last_admin_key"


class KeyExpiryPassed(InvalidInput):
    """`expires_at` is not in the future; give a later time, or leave it out."""

    code = "key_expiry_passed"


def create_key(
    session: Session, actor: Actor, tenant: Tenant, *, name: str, scope: Scope, expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Return a new key and its secret, which is not stored."""
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise KeyExpiryPassed(f"expires_at {expires_at.isoformat()} is not in the future; give a later time")
    secret = new_key()
    key = repository.add(session, tenant.id, secret, name=name, scope=scope, expires_at=expires_at)
    detail = {"name": name, "scope": scope.value, "expires_at": expires_at.isoformat() if expires_at else None}
    write_audit(session, actor, Action.KEY_CREATED, tenant.id, key.id, **detail)
    return key, secret


def revoke_key(session: Session, actor: Actor, key_id: uuid.UUID) -> None:
    """Revoke a key. A second call changes nothing."""
    admins = lock_admins(session)
    key = repository.lock(session, key_id)
    if key is None:
        raise KeyNotFound(f"there is no key {key_id}; GET /v1/keys lists them")
    if key.revoked_at is not None:
        return
    if _is_last(key, admins):
        raise LastAdminKey(
            f"key {key_id} is the last admin key that does not expire; create another one before you revoke it"
        )
    repository.revoke(session, key)
    write_audit(session, actor, Action.KEY_REVOKED, key.tenant_id, key.id, name=key.name)


def _is_last(key: ApiKey, admins: Sequence[ValidAdmin]) -> bool:
    """Return whether no other admin key would last as long as this one."""
    others = [one for one in admins if one.key_id != key.id and (one.expires_at is None or key.expires_at is not None)]
    return any(one.key_id == key.id for one in admins) and not others
