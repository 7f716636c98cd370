"""The endpoint of the tenant's deletions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from samfleet.db.models import Deleted
from samfleet_api.deletions import repository
from samfleet_api.deletions.schemas import Deletion
from samfleet_api.dependencies import ReadSessionValue, TenantId
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

router = APIRouter(prefix="/v1/deletions", tags=["deletions"])


@router.get(
    "",
    summary="List deleted jobs and datasets, newest first",
    operation_id="deletion_list",
    responses=problems(CursorInvalid),
)
def list_deletions(
    tenant_id: TenantId,
    session: ReadSessionValue,
    kind: Annotated[Deleted | None, Query(description="Only jobs, or only datasets.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Deletion]:
    """List what was deleted, when, by whom and why. Entries stay when the rows and objects are gone."""
    before = decode_cursor(cursor, lambda parts: number_in(*parts))
    rows = repository.page(session, tenant_id, kind=kind, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.deletion.id,))
    return Page(items=[Deletion.of(*row) for row in kept], next=following)
