"""Endpoints for comparisons of whole runs."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from samfleet.comparisons.errors import ComparisonNotFound, RunsNotComparable, TooManyComparisons
from samfleet.comparisons.request import request_comparison
from samfleet.db.models import ComparedImage as ImageRow
from samfleet.db.models import Comparison as ComparisonRow
from samfleet.exports.errors import RunNotEnded
from samfleet.jobs.export import RunNotFound
from samfleet.logging import get_logger
from samfleet_api.comparisons import repository
from samfleet_api.comparisons.repository import COLUMNS, ImagePlace, RunOfSide, Sort
from samfleet_api.comparisons.schemas import ComparedImage, Comparison, ComparisonSide, CreateComparison
from samfleet_api.dependencies import EngineValue, QueueValue, ReadSessionValue, TenantId, WriteSessionValue
from samfleet_api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    CursorInvalid,
    Limit,
    Page,
    cut_page,
    decode_cursor,
    key_in_time,
    number_in,
    place_in_time,
)
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.runs.repository import RunFacts, facts_of
from samfleet_api.short_ids import ComparisonId, IdAmbiguous, IdText, whole_run_id
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/comparisons", tags=["comparisons"], route_class=StrictJsonRoute)
log = get_logger(__name__)

OfRun = Annotated[IdText | None, Query(description="Only comparisons with this run on this side.")]


@router.post(
    "",
    status_code=202,
    summary="Compare the masks of two runs",
    operation_id="comparison_create",
    responses={
        200: {"model": Comparison, "description": "The comparison of an earlier, equal request on the same results."},
        **problems(
            ComparisonNotFound, IdAmbiguous, PayloadTooLarge, RunNotEnded, RunNotFound, RunsNotComparable,
            TooManyComparisons,
        ),
    },
)  # fmt: skip
def create(
    body: CreateComparison,
    tenant_id: TenantId,
    engine: EngineValue,
    session: WriteSessionValue,
    queue: QueueValue,
    response: Response,
) -> Comparison:
    """Compare two ended runs over the same images in the background, image by image. An equal request returns the same
    comparison, unless it failed or a run was retried; then another is computed.
    """
    run_a, run_b = (whole_run_id(engine, tenant_id, text) for text in (body.run_a, body.run_b))
    row, created = request_comparison(session, queue, tenant_id, run_a, run_b)
    response.status_code = 202 if created else 200
    response.headers["Location"] = f"{router.prefix}/{row.id}"
    log.info("comparison.requested", comparison_id=str(row.id), new=created)
    return view_all(session, [row])[0]


@router.get(
    "",
    summary="List comparisons, newest first",
    operation_id="comparison_list",
    responses=problems(CursorInvalid, IdAmbiguous, RunNotFound),
)
def list_comparisons(
    tenant_id: TenantId,
    engine: EngineValue,
    session: ReadSessionValue,
    run_a: OfRun = None,
    run_b: OfRun = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Comparison]:
    sides = [None if text is None else whole_run_id(engine, tenant_id, text) for text in (run_a, run_b)]
    before = decode_cursor(cursor, place_in_time)
    rows = repository.page(session, tenant_id, run_a=sides[0], run_b=sides[1], before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: key_in_time(row.created_at, row.id))
    return Page(items=view_all(session, kept), next=following)


@router.get(
    "/{comparison_id}",
    summary="Read a comparison with its summary",
    operation_id="comparison_read",
    responses=problems(ComparisonNotFound),
)
def read(comparison_id: ComparisonId, tenant_id: TenantId, session: ReadSessionValue) -> Comparison:
    return view_all(session, [require_comparison(session, tenant_id, comparison_id)])[0]


@router.get(
    "/{comparison_id}/images",
    summary="List the images of a comparison, ranked",
    operation_id="comparison_list_images",
    responses=problems(ComparisonNotFound, CursorInvalid),
)
def list_images(
    comparison_id: ComparisonId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    sort: Annotated[
        Sort,
        Query(
            description="`disagreement`: the largest first. `worst_iou_a`, `worst_iou_b`: the smallest IoU with the "
            "annotations first; `iou_change`: the largest loss of it first; these list only annotated images. "
            "`position`: as in the dataset."
        ),
    ] = Sort.DISAGREEMENT,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ComparedImage]:
    """List the images that both runs segmented. While the comparison runs, the list has those compared so far."""
    row = require_comparison(session, tenant_id, comparison_id)
    after = decode_cursor(cursor, lambda parts: _place(sort, parts))
    found = repository.page_of_images(session, row.id, sort, after=after, limit=limit + 1)
    kept, following = cut_page(found, limit, lambda image: _key(sort, image))
    side = repository.sides_of(session, [row.run_a_id])[row.run_a_id]
    names = repository.file_names(session, side.job.dataset_id, [image.position for image in kept])
    return Page(items=[ComparedImage.of(image, names[image.position]) for image in kept], next=following)


@router.delete(
    "/{comparison_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a comparison",
    operation_id="comparison_delete",
    responses=problems(ComparisonNotFound),
)
def delete(comparison_id: ComparisonId, tenant_id: TenantId, session: WriteSessionValue) -> None:
    """A comparison that is being computed is deleted too. The results of the runs stay."""
    require_comparison(session, tenant_id, comparison_id)
    repository.remove(session, comparison_id)
    log.info("comparison.deleted", comparison_id=str(comparison_id))


def require_comparison(session: Session, tenant_id: uuid.UUID, comparison_id: uuid.UUID) -> ComparisonRow:
    """Return the comparison. Raises `ComparisonNotFound`, also for a comparison of another tenant."""
    found = repository.find(session, tenant_id, comparison_id)
    if found is None:
        raise ComparisonNotFound(f"comparison {comparison_id} does not exist; GET /v1/comparisons lists yours")
    return found


def view_all(session: Session, rows: Sequence[ComparisonRow]) -> list[Comparison]:
    """Build the views of comparisons with two sides each, in a constant number of queries."""
    run_ids = {run_id for row in rows for run_id in (row.run_a_id, row.run_b_id)}
    runs, facts = repository.sides_of(session, run_ids), facts_of(session, run_ids)
    sides = {one: ComparisonSide.of(runs[one], facts.get(one, RunFacts()).hardware) for one in run_ids}
    return [
        Comparison.of(row, sides[row.run_a_id], sides[row.run_b_id], outdated=_is_outdated(row, runs)) for row in rows
    ]


def _is_outdated(row: ComparisonRow, runs: Mapping[uuid.UUID, RunOfSide]) -> bool:
    now = runs[row.run_a_id].run.retries, runs[row.run_b_id].run.retries
    return now != (row.retries_a, row.retries_b)


def _key(sort: Sort, image: ImageRow) -> tuple[str | int, ...]:
    """Return the cursor's parts of an image. A cursor has whole numbers only, so a figure is written in hexadecimal."""
    if sort not in COLUMNS:
        return sort.value, image.position
    return sort.value, float(getattr(image, COLUMNS[sort].key)).hex(), image.position


def _place(sort: Sort, parts: Sequence[str | int]) -> ImagePlace:
    if parts[0] != sort.value:
        raise CursorInvalid("this cursor belongs to another order; start again without it")
    if sort not in COLUMNS:
        return ImagePlace(None, number_in(parts[1]))
    value = float.fromhex(str(parts[1]))
    if not math.isfinite(value):
        raise CursorInvalid
    return ImagePlace(value, number_in(parts[2]))
