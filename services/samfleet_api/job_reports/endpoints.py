from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from samfleet.db.session import read_only
from samfleet.jobs.cancel import JobNotFound
from samfleet.masks.overlay import PicturesBusy
from samfleet.storage.store import StorageUnavailable
from samfleet_api.dependencies import TenantId
from samfleet_api.job_reports.measurements import read_measurements
from samfleet_api.job_reports.page import JobReport, render_job_report
from samfleet_api.job_reports.samples import SIDE, choose, draw_samples
from samfleet_api.jobs.views import require_job, view_failure_groups, view_job
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.runs.pictures import PicturesValue
from samfleet_api.runs.repository import of_jobs
from samfleet_api.short_ids import JobId

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

MOST_IMAGES = 12
# The file allows nothing but its style sheet; `sandbox` keeps it from acting on the API where a browser opens it.
HEADERS = {"Content-Security-Policy": "sandbox; frame-ancestors 'none'"}


@router.get(
    "/{job_id}/report.html",
    summary="Read a job's report as one HTML file",
    operation_id="job_read_report",
    response_class=Response,
    responses={
        200: {"description": "A page without scripts or other files.", "content": {"text/html": {}}},
        **problems(JobNotFound, PicturesBusy, StorageUnavailable),
    },
)
@long_running
def read_report(
    job_id: JobId,
    tenant_id: TenantId,
    pictures: PicturesValue,
    images: Annotated[
        int,
        Query(ge=0, le=MOST_IMAGES, description="Sample images; fewer with many runs, so that they make 24 pictures."),
    ] = 4,
) -> Response:
    """Return a file to share: summary, variants by hardware, quality with the Pareto front, times by stage, sample
    images with masks, failures, parameters, versions and licences.
    """
    with read_only(pictures.engine) as session:
        job = require_job(session, tenant_id, job_id)
        runs = of_jobs(session, [job.id])
        chosen = choose(session, job.dataset_id, runs, images)
        report = partial(
            JobReport,
            job=view_job(session, job, pictures.settings.keep_days),
            measurements=read_measurements(session, tenant_id, job.id),
            failures=view_failure_groups(session, job).items,
            made_at=datetime.now(UTC),
        )
    draw = partial(pictures.overlay, max_side=SIDE)
    page = render_job_report(report(samples=draw_samples(chosen, runs, draw)))
    name = f"samfleet-job-{str(job_id)[:8]}.html"
    headers = {**HEADERS, "Content-Disposition": f'inline; filename="{name}"'}
    return Response(page, media_type="text/html; charset=utf-8", headers=headers)
