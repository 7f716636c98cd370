"""The history of a job: all changes of its state and of its runs, and edits of its fields."""

from __future__ import annotations

from fastapi import APIRouter

from samfleet.jobs.cancel import JobNotFound
from samfleet_api.dependencies import ReadSessionValue, TenantId
from samfleet_api.jobs import repository
from samfleet_api.jobs.history_schemas import JobChange
from samfleet_api.jobs.views import require_job
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
from samfleet_api.short_ids import JobId

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/history",
    summary="List the changes of a job, newest first",
    operation_id="job_list_history",
    responses=problems(JobNotFound, CursorInvalid),
)
def list_history(
    job_id: JobId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[JobChange]:
    """List who changed the state of the job and of its runs, when and why. Entries are never changed; they are deleted
    with the job.
    """
    job = require_job(session, tenant_id, job_id)
    before = decode_cursor(cursor, lambda parts: number_in(*parts))
    rows = repository.changes(session, tenant_id, job.id, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.event.id,))
    return Page(items=[JobChange.of(*row) for row in kept], next=following)
