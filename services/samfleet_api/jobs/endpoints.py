from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.job_request import IdempotencyConflict
from samfleet.jobs.prompt_budget import PromptLimits
from samfleet.jobs.quotas import JobTooLarge, Quotas, TooManyOpenImages, TooManyOpenJobs
from samfleet.jobs.submit import submit_job
from samfleet.labels import LabelsInvalid
from samfleet.logging import get_logger
from samfleet_api.dependencies import QueueValue, ReadSessionValue, SettingsValue, TenantId, WriteSessionValue
from samfleet_api.jobs import repository
from samfleet_api.jobs.failure_schemas import FailureGroups, ImageFailure
from samfleet_api.jobs.filters import JobFilterValue
from samfleet_api.jobs.requests import REFUSED_JOBS, job_request
from samfleet_api.jobs.schemas import Job, SubmitJob
from samfleet_api.jobs.sorting import JobSort, read_place, write_place
from samfleet_api.jobs.throughput_schemas import JobThroughput
from samfleet_api.jobs.views import require_job, view_failure_groups, view_job, view_jobs, view_throughput
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
from samfleet_api.schemas import StorableText
from samfleet_api.short_ids import JobId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)
log = get_logger(__name__)

SORT = "The order; `-` puts the largest value first. Names are compared by their first 32 characters, ignoring case."
IdempotencyKey = Annotated[
    StorableText | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="Chosen by the client: repeating a request with the same key returns the same job.",
    ),
]


@router.post(
    "",
    status_code=202,
    summary="Submit a job",
    operation_id="job_submit",
    response_model_exclude_unset=True,
    responses={
        200: {"model": Job, "description": "The job of an earlier request with the same Idempotency-Key."},
        **problems(*REFUSED_JOBS, IdempotencyConflict, JobTooLarge, TooManyOpenImages, TooManyOpenJobs),
    },
)
def create_job(
    body: SubmitJob,
    tenant_id: TenantId,
    session: WriteSessionValue,
    queue: QueueValue,
    settings: SettingsValue,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Create one run per variant and pool. The response is sent after the job is committed to the database."""
    request = job_request(session, tenant_id, body, idempotency_key)
    limits = PromptLimits(settings.max_prompts_per_image, settings.max_prompts_per_job)
    job, created = submit_job(
        session,
        queue,
        request,
        tuple(settings.pools),
        settings.accept_licenses,
        limits,
        settings.weights_dir,
        Quotas.of(settings),
    )
    response.status_code = 202 if created else 200
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    log.info("job.submitted", job_id=str(job.id), new=created)
    return view_job(session, job, settings.keep_days)


@router.get(
    "",
    summary="List jobs, newest first or in another order",
    operation_id="job_list",
    response_model_exclude_unset=True,
    responses=problems(CursorInvalid, LabelsInvalid),
)
def list_jobs(
    tenant_id: TenantId,
    session: ReadSessionValue,
    wanted: JobFilterValue,
    settings: SettingsValue,
    sort: Annotated[JobSort, Query(description=SORT)] = JobSort.NEWEST,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Job]:
    after = decode_cursor(cursor, read_place(sort))
    rows = repository.page(session, tenant_id, wanted, sort=sort, after=after, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: write_place(sort, row))
    return Page(items=view_jobs(session, [row.job for row in kept], settings.keep_days), next=following)


@router.get(
    "/{job_id}",
    summary="Read a job and its progress",
    operation_id="job_read",
    response_model_exclude_unset=True,
    responses=problems(JobNotFound),
)
def read_job(job_id: JobId, tenant_id: TenantId, session: ReadSessionValue, settings: SettingsValue) -> Job:
    return view_job(session, require_job(session, tenant_id, job_id), settings.keep_days)


@router.get(
    "/{job_id}/errors",
    summary="List failed images",
    operation_id="job_list_errors",
    responses=problems(JobNotFound, CursorInvalid),
)
def list_errors(
    job_id: JobId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ImageFailure]:
    job = require_job(session, tenant_id, job_id)
    after = decode_cursor(cursor, lambda parts: (uuid.UUID(str(parts[0])), number_in(parts[1])))
    rows = repository.failed_images(session, job.id, after=after, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (str(row.run_id), row.image_id))
    return Page(items=[ImageFailure(**asdict(row)) for row in kept], next=following)


@router.get(
    "/{job_id}/errors/groups",
    summary="Count failed images by error",
    operation_id="job_group_errors",
    responses=problems(JobNotFound),
)
def group_errors(job_id: JobId, tenant_id: TenantId, session: ReadSessionValue) -> FailureGroups:
    """Return all groups, each with its first image; `errors` lists all images."""
    return view_failure_groups(session, require_job(session, tenant_id, job_id))


@router.get(
    "/{job_id}/throughput",
    summary="Read the number of images recorded over time",
    operation_id="job_read_throughput",
    responses=problems(JobNotFound),
)
def read_throughput(
    job_id: JobId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    points: Annotated[int, Query(ge=2, le=500, description="Number of time intervals.")] = 60,
) -> JobThroughput:
    """All images of a shard are recorded at once, so intervals much shorter than a shard's duration show steps."""
    return view_throughput(session, require_job(session, tenant_id, job_id), points)
