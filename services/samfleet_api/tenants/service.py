from __future__ import annotations

from sqlalchemy.orm import Session

from samfleet.db.models import Tenant
from samfleet.errors import Conflict, NotFound
from samfleet_api.tenants import repository


class TenantNotFound(NotFound):
    """There is no tenant with this name; GET /v1/tenants lists them."""

    code = "tenant_not_found"


class TenantNameTaken(Conflict):
    """A tenant with this name already exists; choose another name."""

    code = "tenant_name_taken"


def get_tenant(session: Session, name: str) -> Tenant:
    tenant = repository.find(session, name)
    if tenant is None:
        raise TenantNotFound(f"there is no tenant {name!r}; GET /v1/tenants lists them")
    return tenant


def create_tenant(session: Session, name: str) -> Tenant:
    tenant = repository.add(session, name)
    if tenant is None:
        raise TenantNameTaken(f"tenant {name!r} already exists; choose another name")
    return tenant
