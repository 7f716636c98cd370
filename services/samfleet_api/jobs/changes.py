"""Endpoints that change one job."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from samfleet.errors import SamfleetError
from samfleet.jobs.cancel import JobFinished, JobNotFound, cancel_job
from samfleet.jobs.delete import JobNotFinished, delete_job
from samfleet.jobs.edit import edit_job
from samfleet.jobs.pause import pause_job, resume_job
from samfleet.jobs.quotas import JobTooLarge, Quotas, TooManyOpenImages, TooManyOpenJobs
from samfleet.jobs.retry import JobNotRetryable, retry_job
from samfleet.labels import LabelsInvalid
from samfleet.logging import get_logger
from samfleet_api.dependencies import QueueValue, SettingsValue, TenantId, WriteSessionValue
from samfleet_api.jobs.edit_schemas import EditJob
from samfleet_api.jobs.schemas import Job
from samfleet_api.jobs.views import view_job
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.short_ids import JobId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=StrictJsonRoute)
log = get_logger(__name__)


def _action(name: str, summary: str, *errors: type[SamfleetError]) -> Callable[[Callable[..., Job]], Any]:
    """Return the decorator of a route without a body that changes a job and returns it."""
    return router.post(
        f"/{{job_id}}/{name}",
        summary=summary,
        operation_id=f"job_{name}",
        response_model_exclude_unset=True,
        responses=problems(JobNotFound, *errors),
    )


@router.patch(
    "/{job_id}",
    summary="Change a job's name, labels, notes, keep_days or priority",
    operation_id="job_update",
    response_model_exclude_unset=True,
    responses=problems(JobNotFound, JobFinished, LabelsInvalid, PayloadTooLarge),
)
def update(
    job_id: JobId, body: EditJob, tenant_id: TenantId, session: WriteSessionValue, settings: SettingsValue
) -> Job:
    """Change the given fields, in any state of the job (RFC 7396): null removes a field or a label, and labels that are
    not given stay. A priority counts from the job's next shard.
    """
    changes = body.model_dump(exclude_unset=True)
    job = edit_job(session, tenant_id, job_id, changes)
    log.info("job.changed", job_id=str(job_id), fields=sorted(changes))
    return view_job(session, job, settings.keep_days)


@_action("cancel", "Cancel a job", JobFinished)
def cancel(job_id: JobId, tenant_id: TenantId, session: WriteSessionValue, settings: SettingsValue) -> Job:
    """Recorded results are kept and can be read. Cancelling again changes nothing."""
    return view_job(session, cancel_job(session, tenant_id, job_id), settings.keep_days)


@_action("pause", "Pause a job", JobFinished)
def pause(job_id: JobId, tenant_id: TenantId, session: WriteSessionValue, settings: SettingsValue) -> Job:
    """Claimed shards finish and are recorded; nothing new starts. Pausing again changes nothing."""
    return view_job(session, pause_job(session, tenant_id, job_id), settings.keep_days)


@_action("resume", "Resume a paused job", JobFinished)
def resume(
    job_id: JobId, tenant_id: TenantId, session: WriteSessionValue, queue: QueueValue, settings: SettingsValue
) -> Job:
    """A job that is not paused stays unchanged."""
    return view_job(session, resume_job(session, queue, tenant_id, job_id), settings.keep_days)


@_action("retry", "Retry the failures of a job", JobNotRetryable, JobTooLarge, TooManyOpenImages, TooManyOpenJobs)
def retry(
    job_id: JobId, tenant_id: TenantId, session: WriteSessionValue, queue: QueueValue, settings: SettingsValue
) -> Job:
    """Compute failed images again, and what failed runs never recorded, on the same runs. All results stay until the
    new ones replace them. The job counts as open again.
    """
    job = retry_job(session, queue, tenant_id, job_id, Quotas.of(settings))
    return view_job(session, job, settings.keep_days)


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
