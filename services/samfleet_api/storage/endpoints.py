"""Endpoints for storage use."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from samfleet.jobs.cancel import JobNotFound
from samfleet_api.dependencies import Admin, AdminRequired, ReadSessionValue, TenantId
from samfleet_api.jobs.views import require_job
from samfleet_api.pagination import DEFAULT_LIMIT, Cursor, CursorInvalid, Limit, Page, cut_page, decode_cursor
from samfleet_api.problems import problems
from samfleet_api.short_ids import JobId
from samfleet_api.storage import repository
from samfleet_api.storage.schemas import JobStorage, LargestItem, Storage, TenantStorage

router = APIRouter(prefix="/v1", tags=["storage"])


@router.get(
    "/storage", summary="Read the storage use of your tenant", operation_id="storage_read", responses=problems()
)
def read(
    tenant_id: TenantId,
    session: ReadSessionValue,
    largest: Annotated[int, Query(ge=0, le=100, description="Number of the largest jobs and datasets.")] = 10,
) -> Storage:
    """Return bytes, objects and rows, always current. A deleted job or dataset counts until it is removed, usually
    within seconds. Objects that nothing refers to, such as those of killed workers, are not counted.
    """
    use = TenantStorage.of(
        repository.name_of(session, tenant_id), repository.of_tenants(session, [tenant_id])[tenant_id]
    )
    items = [LargestItem.of_item(item) for item in repository.largest(session, tenant_id, largest)]
    return Storage(**dict(use), largest=items)


@router.get(
    "/storage/tenants",
    summary="Read the storage use of all tenants, by name",
    operation_id="storage_list_tenants",
    responses=problems(AdminRequired, CursorInvalid),
)
def list_tenants(
    _admin: Admin, session: ReadSessionValue, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[TenantStorage]:
    after = decode_cursor(cursor, lambda parts: str(*parts))
    kept, following = cut_page(
        repository.tenants(session, after=after, limit=limit + 1), limit, lambda tenant: (tenant.name,)
    )
    uses = repository.of_tenants(session, [tenant.id for tenant in kept])
    return Page(items=[TenantStorage.of(tenant.name, uses[tenant.id]) for tenant in kept], next=following)


@router.get(
    "/jobs/{job_id}/storage",
    summary="Read the storage use of a job",
    operation_id="storage_read_job",
    responses=problems(JobNotFound),
)
def read_job(job_id: JobId, tenant_id: TenantId, session: ReadSessionValue) -> JobStorage:
    """Return bytes, objects and rows, always current."""
    return JobStorage.of(repository.of_job(session, require_job(session, tenant_id, job_id).id))
