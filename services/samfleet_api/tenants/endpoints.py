"""Endpoints for tenants; they need an admin key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from samfleet.db.audit import Actor
from samfleet.logging import get_logger
from samfleet_api.dependencies import Admin, AdminRequired, ReadSessionValue, WriteSessionValue
from samfleet_api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    CursorInvalid,
    Limit,
    Page,
    cut_page,
    decode_cursor,
    place_in_time,
)
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.strict_json import StrictJsonRoute
from samfleet_api.tenants import repository
from samfleet_api.tenants.schemas import CreateTenant, Tenant, TenantName, UpdateTenant
from samfleet_api.tenants.service import (
    TenantNameTaken,
    TenantNotFound,
    TenantOfAdmins,
    create_tenant,
    disable_tenant,
    enable_tenant,
    get_tenant,
    update_tenant,
)

router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=StrictJsonRoute)
log = get_logger(__name__)

NameInPath = Annotated[TenantName, Path(description="Name in `GET /v1/tenants`.")]


@router.post(
    "",
    status_code=201,
    summary="Create a tenant",
    operation_id="tenant_create",
    responses=problems(AdminRequired, PayloadTooLarge, TenantNameTaken),
)
def create(body: CreateTenant, admin: Admin, session: WriteSessionValue) -> Tenant:
    """Create a tenant. It has no key yet; POST /v1/keys creates one."""
    tenant = create_tenant(session, Actor.of_key(session, admin.key_id), body.name)
    log.info("tenant.created", created_tenant_id=str(tenant.id), by=str(admin.key_id))
    return Tenant.of(tenant)


@router.get(
    "",
    summary="List tenants, newest first",
    operation_id="tenant_list",
    responses=problems(AdminRequired, CursorInvalid),
)
def list_tenants(
    _admin: Admin, session: ReadSessionValue, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Tenant]:
    before = decode_cursor(cursor, place_in_time)
    rows = repository.page(session, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.created_at.isoformat(), str(row.id)))
    return Page(items=[Tenant.of(row) for row in kept], next=following)


@router.get(
    "/{name}",
    summary="Read a tenant",
    operation_id="tenant_read",
    responses=problems(AdminRequired, TenantNotFound),
)
def read(name: NameInPath, _admin: Admin, session: ReadSessionValue) -> Tenant:
    return Tenant.of(get_tenant(session, name))


@router.patch(
    "/{name}",
    summary="Change a tenant's share or quota",
    operation_id="tenant_update",
    responses=problems(AdminRequired, PayloadTooLarge, TenantNotFound),
)
def update(name: NameInPath, body: UpdateTenant, admin: Admin, session: WriteSessionValue) -> Tenant:
    """Change the given fields; the others keep their values. A new weight counts from the next shard of the tenant,
    another limit from the next job.
    """
    changes = body.model_dump(exclude_unset=True)
    tenant = update_tenant(session, Actor.of_key(session, admin.key_id), name, changes)
    log.info("tenant.changed", changed_tenant_id=str(tenant.id), fields=sorted(changes), by=str(admin.key_id))
    return Tenant.of(tenant)


@router.post(
    "/{name}/disable",
    summary="Disable a tenant",
    operation_id="tenant_disable",
    responses=problems(AdminRequired, TenantNotFound, TenantOfAdmins),
)
def disable(name: NameInPath, admin: Admin, session: WriteSessionValue) -> Tenant:
    """Refuse the tenant's keys and browser sessions from now on; its jobs go on. May be repeated."""
    tenant = disable_tenant(session, Actor.of_key(session, admin.key_id), admin.tenant_id, name)
    log.info("tenant.disabled", disabled_tenant_id=str(tenant.id), by=str(admin.key_id))
    return Tenant.of(tenant)


@router.post(
    "/{name}/enable",
    summary="Enable a tenant again",
    operation_id="tenant_enable",
    responses=problems(AdminRequired, TenantNotFound),
)
def enable(name: NameInPath, admin: Admin, session: WriteSessionValue) -> Tenant:
    """Accept the tenant's keys again, except those that were revoked or have expired. May be repeated."""
    tenant = enable_tenant(session, Actor.of_key(session, admin.key_id), name)
    log.info("tenant.enabled", enabled_tenant_id=str(tenant.id), by=str(admin.key_id))
    return Tenant.of(tenant)
