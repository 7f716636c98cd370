from __future__ import annotations

from fastapi import APIRouter

from samfleet.db.models import Scope
from samfleet.estimates.estimate import estimate_job
from samfleet.jobs.prompt_budget import PromptLimits
from samfleet.jobs.submit import check_job
from samfleet.labels import check_labels
from samfleet_api.dependencies import SCOPE_EXTENSION, SettingsValue, TenantId, WriteSessionValue
from samfleet_api.estimates.schemas import JobEstimate
from samfleet_api.jobs.requests import REFUSED_JOBS, job_request
from samfleet_api.jobs.schemas import SubmitJob
from samfleet_api.problems import problems
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=StrictJsonRoute)


@router.post(
    "/job-estimate",
    summary="Estimate a job without submitting it",
    operation_id="job_estimate",
    openapi_extra={SCOPE_EXTENSION: Scope.READ.value},  # it changes nothing
    responses=problems(*REFUSED_JOBS),
)
def estimate(body: SubmitJob, tenant_id: TenantId, session: WriteSessionValue, settings: SettingsValue) -> JobEstimate:
    """Check the body of `POST /v1/jobs` and estimate time, cost and size from earlier runs of your tenant.

    A body that could not be submitted is refused with the same error; quotas are not checked. Nothing is created.
    """
    request = job_request(session, tenant_id, body)
    check_labels(request.labels)
    limits = PromptLimits(settings.max_prompts_per_image, settings.max_prompts_per_job)
    pools = tuple(settings.pools)
    job = check_job(session, request, pools, settings.accept_licenses, limits, settings.weights_dir)
    return JobEstimate.of(estimate_job(session, tenant_id, job))
