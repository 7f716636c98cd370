"""The endpoint of the audit trail; it needs an admin key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from samfleet.db.audit import Action
from samfleet_api.audit import repository
from samfleet_api.audit.schemas import AuditEntry
from samfleet_api.dependencies import Admin, AdminRequired, ReadSessionValue
from samfleet_api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    CursorInvalid,
    Limit,
    Page,
    cut_page,
    decode_cursor,
    number_in,
)
from samfleet_api.problems import problems
from samfleet_api.tenants.schemas import TenantName
from samfleet_api.tenants.service import TenantNotFound, get_tenant

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get(
    "",
    summary="List changes of keys, tenants and webhooks, newest first",
    operation_id="audit_list",
    responses=problems(AdminRequired, CursorInvalid, TenantNotFound),
)
def list_entries(
    _admin: Admin,
    session: ReadSessionValue,
    tenant: Annotated[TenantName | None, Query(description="Only changes that concern this tenant.")] = None,
    action: Annotated[Action | None, Query(description="Only changes of this kind.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[AuditEntry]:
    """List who changed what, and when. Entries are never changed or deleted."""
    tenant_id = get_tenant(session, tenant).id if tenant is not None else None
    before = decode_cursor(cursor, lambda parts: number_in(*parts))
    rows = repository.page(session, tenant_id=tenant_id, action=action, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.id,))
    return Page(items=[AuditEntry.of(row) for row in kept], next=following)
