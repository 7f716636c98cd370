"""The log of a job: what the service did for it, and what it met."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from samfleet.db.models import LogLevel
from samfleet.jobs.cancel import JobNotFound
from samfleet_api.dependencies import ReadSessionValue, TenantId
from samfleet_api.jobs.log_repository import lines_after, newest_lines
from samfleet_api.jobs.log_schemas import LogLine
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
    "/{job_id}/log",
    summary="Read the log of a job, newest first or from a line on",
    operation_id="job_list_log",
    responses=problems(JobNotFound, CursorInvalid),
)
def list_log(
    job_id: JobId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    level: Annotated[LogLevel, Query(description="Only lines of this level and above.")] = LogLevel.INFO,
    after: Annotated[
        int | None, Query(ge=0, lt=2**63, description="Only lines with a larger id, and oldest first: to follow a log.")
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[LogLine]:
    """List changes of states, recorded shards, failed images, reasons of waits, lost workers and loaded models. Lines
    are never changed; they are deleted with the job.
    """
    job = require_job(session, tenant_id, job_id)
    seen = decode_cursor(cursor, lambda parts: number_in(*parts))
    if after is None:
        rows = newest_lines(session, job.id, level=level, before=seen, limit=limit + 1)
    else:
        rows = lines_after(session, job.id, level=level, after=max(after, seen or 0), limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.line.id,))
    return Page(items=[LogLine.of(*row) for row in kept], next=following)
