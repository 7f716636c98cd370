"""Endpoints for reviews of runs and their images."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from samfleet.db.models import ImageResult
from samfleet.jobs.cancel import JobNotFound
from samfleet.jobs.export import RunNotFound
from samfleet.logging import get_logger
from samfleet.reviews.change import change_review
from samfleet.reviews.decisions import Decision, merged_sets
from samfleet.reviews.errors import ReviewChanged, ReviewMaskUnknown, ReviewMergeTooSmall
from samfleet_api.dependencies import ReadSessionValue, TenantId, WriteSessionValue
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
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.reviews import repository
from samfleet_api.reviews.requests import ChangeReview
from samfleet_api.reviews.schemas import (
    ImageReview,
    ImageToReview,
    JobReview,
    MaskCounts,
    ReviewedMask,
    ReviewEvent,
    RunReviewCounts,
    RunReviewProgress,
)
from samfleet_api.runs.endpoints import MAX_IMAGE_ID, ImageId
from samfleet_api.runs.repository import of_jobs as runs_of_jobs
from samfleet_api.runs.views import (
    ImageNotSegmented,
    ImageResultNotFound,
    require_image,
    require_run,
    require_segmented,
)
from samfleet_api.short_ids import JobId, RunId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/runs", tags=["reviews"], route_class=StrictJsonRoute)
of_jobs = APIRouter(prefix="/v1/jobs", tags=["reviews"])
log = get_logger(__name__)

AfterImage = Annotated[
    int | None, Query(ge=0, le=MAX_IMAGE_ID, description="Image to start after, as the last one reviewed.")
]


@router.get(
    "/{run_id}/review",
    summary="Read the progress of a run's review",
    operation_id="review_read_progress",
    responses=problems(RunNotFound),
)
def read_progress(run_id: RunId, tenant_id: TenantId, session: ReadSessionValue) -> RunReviewProgress:
    run = require_run(session, tenant_id, run_id)
    people = repository.people_of(session, tenant_id, [run.id])[run.id]
    row = repository.run_reviews(session, [run.id]).get(run.id)
    return RunReviewProgress.of(run, row, people, categories=repository.categories_of(session, run))


@of_jobs.get(
    "/{job_id}/review",
    summary="Read the progress of the reviews of a job's runs",
    operation_id="review_read_job",
    responses=problems(JobNotFound),
)
def read_job(job_id: JobId, tenant_id: TenantId, session: ReadSessionValue) -> JobReview:
    job = require_job(session, tenant_id, job_id)
    runs = runs_of_jobs(session, [job.id])
    ids = [run.id for run in runs]
    rows, people = repository.run_reviews(session, ids), repository.people_of(session, tenant_id, ids)
    return JobReview(items=[RunReviewCounts.of(run, rows.get(run.id), people[run.id]) for run in runs])


@router.get(
    "/{run_id}/review/next",
    summary="Find the next image to review",
    operation_id="review_find_next",
    responses=problems(RunNotFound),
)
def find_next(run_id: RunId, tenant_id: TenantId, session: ReadSessionValue, after: AfterImage = None) -> ImageToReview:
    """Return the first image in the order of the dataset whose review is not complete: after the image `after`, and
    from the first image on if none follows.
    """
    run = require_run(session, tenant_id, run_id)
    image_id, file_name = repository.next_to_review(session, run, after) or (None, None)
    return ImageToReview(image_id=image_id, file_name=file_name)


@router.get(
    "/{run_id}/images/{image_id}/review",
    summary="Read the review of one image",
    operation_id="review_read",
    responses=problems(RunNotFound, ImageResultNotFound),
)
def read(run_id: RunId, image_id: ImageId, tenant_id: TenantId, session: ReadSessionValue) -> ImageReview:
    result, _ = require_image(session, tenant_id, run_id, image_id)
    return _view(session, tenant_id, result)


@router.patch(
    "/{run_id}/images/{image_id}/review",
    summary="Change the review of one image",
    operation_id="review_change",
    responses=problems(
        RunNotFound,
        ImageNotSegmented,
        ImageResultNotFound,
        PayloadTooLarge,
        ReviewChanged,
        ReviewMaskUnknown,
        ReviewMergeTooSmall,
    ),
)
def change(
    run_id: RunId, image_id: ImageId, body: ChangeReview, tenant_id: TenantId, session: WriteSessionValue
) -> ImageReview:
    """Decide about masks. The run's results stay as they are; exports show or follow the review.

    Changes on another `version` are refused, unless they are already made: a request may be repeated.
    """
    result, _ = require_image(session, tenant_id, run_id, image_id)
    require_segmented(result)
    made = change_review(session, result, body.version, [one.to_change() for one in body.changes])
    if made:
        log.info("review.changed", run_id=str(run_id), image_id=image_id, changes=len(body.changes))
    return _view(session, tenant_id, result)


@router.get(
    "/{run_id}/images/{image_id}/review/history",
    summary="List the changes of an image's review, newest first",
    operation_id="review_list_history",
    responses=problems(RunNotFound, ImageResultNotFound, CursorInvalid),
)
def list_history(
    run_id: RunId,
    image_id: ImageId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ReviewEvent]:
    """List who changed the review, when and how. Entries are never changed; they are deleted with the job."""
    require_image(session, tenant_id, run_id, image_id)
    before = decode_cursor(cursor, lambda parts: number_in(*parts))
    rows = repository.changes_of(session, tenant_id, run_id, image_id, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row[0].version,))
    return Page(items=[ReviewEvent.of(*row) for row in kept], next=following)


def _view(session: Session, tenant_id: uuid.UUID, result: ImageResult) -> ImageReview:
    review = repository.image_review(session, result.run_id, result.image_id)
    rows = repository.masks_of(session, tenant_id, result.run_id, result.image_id)
    sets = merged_sets({row.mask: Decision(row.state, row.category, row.merged_into) for row, _ in rows})
    return ImageReview(
        run_id=result.run_id,
        image_id=result.image_id,
        version=review.version if review else 0,
        reviewed=review is not None and not review.undecided,
        counts=MaskCounts.of(result.mask_count, review),
        masks=[ReviewedMask.of(row, key, sets) for row, key in rows],
    )
