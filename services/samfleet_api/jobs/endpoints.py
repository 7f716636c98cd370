from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.service import DatasetNotFound
from samfleet.db.models import JobState
from samfleet.jobs.cancel import JobFinished, JobNotFound, cancel_job
from samfleet.jobs.delete import JobNotFinished, delete_job
from samfleet.jobs.pause import pause_job, resume_job
from samfleet.jobs.prompt_budget import PromptLimits
from samfleet.jobs.rerun import rerun_request
from samfleet.jobs.retry import JobNotRetryable, retry_job
from samfleet.jobs.submit import (
    AnnotationsMissing,
    DatasetNotSealed,
    DetectionsMissing,
    IdempotencyConflict,
    JobInvalid,
    JobRequest,
    PoolNotFound,
    submit_job,
)
from samfleet.jobs.weights import VariantWithoutWeights
from samfleet.licences import LicenceNotAccepted
from samfleet.logging import get_logger
from samfleet.variants.catalogue import VariantNotFound
from samfleet.variants.task import TaskInvalid
from samfleet_api.dependencies import QueueValue, ReadSessionValue, SettingsValue, TenantId, WriteSessionValue
from samfleet_api.jobs import repository
from samfleet_api.jobs.schemas import FailureGroups, ImageFailure, Job, SubmitJob
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
    place_in_time,
)
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.schemas import StorableText
from samfleet_api.short_ids import JobId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)
log = get_logger(__name__)

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
        **problems(
            AnnotationsMissing,
            DatasetEmpty,
            DatasetNotFound,
            DatasetNotSealed,
            DetectionsMissing,
            IdempotencyConflict,
            JobInvalid,
            JobNotFound,
            LicenceNotAccepted,
            PayloadTooLarge,
            PoolNotFound,
            TaskInvalid,
            VariantNotFound,
            VariantWithoutWeights,
        ),
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
    given = {name: getattr(body, name) for name in body.model_fields_set - {"rerun_of"}}
    given = {name: value for name, value in given.items() if value is not None} | {"idempotency_key": idempotency_key}
    if body.rerun_of is None:
        request = JobRequest(tenant_id, **given)
    else:
        request = rerun_request(session, tenant_id, body.rerun_of, **given)
    limits = PromptLimits(settings.max_prompts_per_image, settings.max_prompts_per_job)
    job, created = submit_job(
        session, queue, request, tuple(settings.pools), settings.accept_licenses, limits, settings.weights_dir
    )
    response.status_code = 202 if created else 200
    response.headers["Location"] = f"{router.prefix}/{job.id}"
    log.info("job.submitted", job_id=str(job.id), new=created)
    return view_job(session, job)


@router.get(
    "",
    summary="List jobs, newest first",
    operation_id="job_list",
    response_model_exclude_unset=True,
    responses=problems(CursorInvalid),
)
def list_jobs(
    tenant_id: TenantId,
    session: ReadSessionValue,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    name: Annotated[
        StorableText | None,
        Query(max_length=200, description="Only jobs whose name contains this text, ignoring case."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Job]:
    before = decode_cursor(cursor, place_in_time)
    rows = repository.page(session, tenant_id, state=state, name=name, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.created_at.isoformat(), str(row.id)))
    return Page(items=view_jobs(session, kept), next=following)


@router.get(
    "/{job_id}",
    summary="Read a job and its progress",
    operation_id="job_read",
    response_model_exclude_unset=True,
    responses=problems(JobNotFound),
)
def read_job(job_id: JobId, tenant_id: TenantId, session: ReadSessionValue) -> Job:
    return view_job(session, require_job(session, tenant_id, job_id))


@router.post(
    "/{job_id}/cancel",
    summary="Cancel a job",
    operation_id="job_cancel",
    response_model_exclude_unset=True,
    responses=problems(JobNotFound, JobFinished),
)
def cancel(job_id: JobId, tenant_id: TenantId, session: WriteSessionValue) -> Job:
    """Recorded results are kept and can be read. Cancelling again changes nothing."""
    return view_job(session, cancel_job(session, tenant_id, job_id))


@router.post(
    "/{job_id}/pause",
    summary="Pause a job",
    operation_id="job_pause",
    response_model_exclude_unset=True,
    responses=problems(JobNotFound, JobFinished),
)
def pause(job_id: JobId, tenant_id: TenantId, session: WriteSessionValue) -> Job:
    """Claimed shards finish and are recorded; nothing new starts. Pausing again changes nothing."""
    return view_job(session, pause_job(session, tenant_id, job_id))


@router.post(
    "/{job_id}/resume",
    summary="Resume a paused job",
    operation_id="job_resume",
    response_model_exclude_unset=True,
    responses=problems(JobNotFound, JobFinished),
)
def resume(job_id: JobId, tenant_id: TenantId, session: WriteSessionValue, queue: QueueValue) -> Job:
    """A job that is not paused stays unchanged."""
    return view_job(session, resume_job(session, queue, tenant_id, job_id))


@router.post(
    "/{job_id}/retry",
    summary="Retry the failures of a job",
    operation_id="job_retry",
    response_model_exclude_unset=True,
    responses=problems(JobNotFound, JobNotRetryable),
)
def retry(job_id: JobId, tenant_id: TenantId, session: WriteSessionValue, queue: QueueValue) -> Job:
    """Compute failed images again, and what failed runs never recorded, on the same runs. All results stay until the
    new ones replace them.
    """
    return view_job(session, retry_job(session, queue, tenant_id, job_id))


@router.delete(
    "/{job_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a job with its results",
    operation_id="job_delete",
    responses=problems(JobNotFound, JobNotFinished),
)
def delete(
    job_id: JobId,
    tenant_id: TenantId,
    session: WriteSessionValue,
    *,
    cancel: Annotated[bool, Query(description="Cancel it first if it still runs.")] = False,
    forget_measurements: Annotated[bool, Query(description="Also remove its measurements from the reports.")] = False,
) -> None:
    """The job disappears from all responses at once; its masks and rows are removed shortly after. Until then, the
    request may be repeated.

    Its measurements stay in the reports, without images and masks, unless `forget_measurements` is set.
    """
    delete_job(session, tenant_id, job_id, cancel=cancel, forget_measurements=forget_measurements)
    log.info("job.deleted", job_id=str(job_id), forget_measurements=forget_measurements)


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
