"""Endpoints for keys; all but one need an admin key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from samfleet.db.audit import Actor
from samfleet.db.models import ApiKey, Tenant
from samfleet.logging import get_logger
from samfleet_api.dependencies import Admin, AdminRequired, CallerValue, ReadSessionValue, WriteSessionValue
from samfleet_api.keys import repository
from samfleet_api.keys.schemas import CreateKey, Key, NewKey
from samfleet_api.keys.service import KeyExpiryPassed, KeyNotFound, LastAdminKey, create_key, revoke_key
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
from samfleet_api.short_ids import KeyId
from samfleet_api.strict_json import StrictJsonRoute
from samfleet_api.tenants.schemas import TenantName
from samfleet_api.tenants.service import TenantNotFound, get_tenant

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictJsonRoute)
current = APIRouter(prefix="/v1/current-key", tags=["keys"])
log = get_logger(__name__)


@router.post(
    "",
    status_code=201,
    summary="Create a key",
    operation_id="key_create",
    responses=problems(AdminRequired, KeyExpiryPassed, PayloadTooLarge, TenantNotFound),
)
def create(body: CreateKey, admin: Admin, session: WriteSessionValue) -> NewKey:
    """Create a key. Only this response has the secret; it cannot be read again."""
    tenant = get_tenant(session, body.tenant) if body.tenant else session.get_one(Tenant, admin.tenant_id)
    actor = Actor.of_key(session, admin.key_id)
    key, secret = create_key(session, actor, tenant, name=body.name, scope=body.scope, expires_at=body.expires_at)
    log.info("key.created", created_key_id=str(key.id), by=str(admin.key_id), scope=key.scope.value)
    return NewKey.of(key, tenant.name, key=secret)


@router.get(
    "",
    summary="List keys, newest first",
    operation_id="key_list",
    responses=problems(AdminRequired, CursorInvalid, TenantNotFound),
)
def list_keys(
    _admin: Admin,
    session: ReadSessionValue,
    tenant: Annotated[TenantName | None, Query(description="Only keys of this tenant.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Key]:
    """List the keys of all tenants, including revoked ones."""
    if tenant is not None:
        get_tenant(session, tenant)
    before = decode_cursor(cursor, place_in_time)
    rows = repository.page(session, tenant=tenant, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.key.created_at.isoformat(), str(row.key.id)))
    return Page(items=[Key.of(row.key, row.tenant) for row in kept], next=following)


@current.get("", summary="Read your own key", operation_id="key_read_current", responses=problems())
def read_current(caller: CallerValue, session: ReadSessionValue) -> Key:
    """Return the key of this request, with its tenant and scope. A browser has the key that it logged in with."""
    return Key.of(session.get_one(ApiKey, caller.key_id), session.get_one(Tenant, caller.tenant_id).name)


@router.delete(
    "/{key_id}",
    status_code=204,
    response_class=Response,
    summary="Revoke a key",
    operation_id="key_revoke",
    responses=problems(AdminRequired, KeyNotFound, LastAdminKey),
)
def revoke(key_id: KeyId, admin: Admin, session: WriteSessionValue) -> None:
    """Reject the key from now on and log out browsers that logged in with it. May be repeated."""
    revoke_key(session, Actor.of_key(session, admin.key_id), key_id)
    log.info("key.revoked", revoked_key_id=str(key_id), by=str(admin.key_id))
