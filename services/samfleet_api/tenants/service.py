from __future__ import annotations

import uuid
from collections.abc import Mapping

from sqlalchemy import func
from sqlalchemy.orm import Session

from samfleet.db.audit import Action, Actor, write_audit
from samfleet.db.models import Tenant
from samfleet.db.valid_keys import lock_admins
from samfleet.errors import Conflict, NotFound
from samfleet_api.tenants import repository


class TenantNotFound(NotFound):
    """There is no tenant with this name; GET /v1/tenants lists them."""

    code = "tenant_not_found"


class TenantNameTaken(Conflict):
    """A tenant with this name already exists; choose another name."""

    code = "tenant_name_taken"


class TenantOfAdmins(Conflict):
    """No admin key of another tenant would remain; use an admin key of another tenant that does not expire."""

    code = "tenant_of_admins"


def get_tenant(session: Session, name: str) -> Tenant:
    tenant = repository.find(session, name)
    if tenant is None:
        raise TenantNotFound(f"there is no tenant {name!r}; GET /v1/tenants lists them")
    return tenant


def create_tenant(session: Session, actor: Actor, name: str) -> Tenant:
    tenant = repository.add(session, name)
    if tenant is None:
        raise TenantNameTaken(f"tenant {name!r} already exists; choose another name")
    write_audit(session, actor, Action.TENANT_CREATED, tenant.id, tenant.id)
    return tenant


def update_tenant(session: Session, actor: Actor, name: str, changes: Mapping[str, float | None]) -> Tenant:
    """Change columns of a tenant; an entry of the audit trail has the new values of those that differ."""
    tenant = _locked(session, name)
    changed = {column: value for column, value in changes.items() if getattr(tenant, column) != value}
    for column, value in changed.items():
        setattr(tenant, column, value)
    session.flush()
    if changed:
        write_audit(session, actor, Action.TENANT_CHANGED, tenant.id, tenant.id, **changed)
    return tenant


def disable_tenant(session: Session, actor: Actor, own_tenant_id: uuid.UUID, name: str) -> Tenant:
    """Refuse the tenant's keys from now on. A second call changes nothing.

    The server must keep an admin key that lasts, so nobody disables their own tenant or that of the last such key.
    """
    admins = lock_admins(session)
    tenant = _locked(session, name)
    if tenant.disabled_at is not None:
        return tenant
    others = [one for one in admins if one.tenant_id != tenant.id and one.expires_at is None]
    if tenant.id == own_tenant_id or not others:
        raise TenantOfAdmins(
            f"no admin key of a tenant other than {name!r} would remain, or it is your own; use an admin key of "
            "another tenant that does not expire"
        )
    tenant.disabled_at = func.now()
    session.flush()
    session.refresh(tenant)
    write_audit(session, actor, Action.TENANT_DISABLED, tenant.id, tenant.id)
    return tenant


def enable_tenant(session: Session, actor: Actor, name: str) -> Tenant:
    """Accept the tenant's keys again. A second call changes nothing."""
    tenant = _locked(session, name)
    if tenant.disabled_at is not None:
        tenant.disabled_at = None
        session.flush()
        write_audit(session, actor, Action.TENANT_ENABLED, tenant.id, tenant.id)
    return tenant


def _locked(session: Session, name: str) -> Tenant:
    tenant = repository.lock(session, name)
    if tenant is None:
        raise TenantNotFound(f"there is no tenant {name!r}; GET /v1/tenants lists them")
    return tenant
