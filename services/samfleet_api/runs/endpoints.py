from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from samfleet.db.session import read_only
from samfleet.jobs.coco_files import BoxForm, box_of
from samfleet.jobs.export import RunNotFound
from samfleet.jobs.progress import progress_of_runs
from samfleet.reports.stages import stage_statistics
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, StorageUnavailable
from samfleet_api.dependencies import EngineValue, ReadSessionValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    CursorInvalid,
    Limit,
    Page,
    decode_cursor,
    encode_cursor,
)
from samfleet_api.problems import problems
from samfleet_api.runs import repository
from samfleet_api.runs.image_figures import ImageOrder
from samfleet_api.runs.image_listing import cursor_parts, page_of_images, place_of
from samfleet_api.runs.image_parameters import (
    FromPosition,
    ImageBoundsInvalid,
    ImageFilterValue,
    ImageSortImpossible,
    Sort,
    require_sortable,
)
from samfleet_api.runs.image_schemas import ImageOfRun, RunImage
from samfleet_api.runs.pictures import PICTURE_ERRORS, PicturesValue, overlay_response
from samfleet_api.runs.repository import RunFacts
from samfleet_api.runs.schemas import Run
from samfleet_api.runs.stalled import stalled_runs
from samfleet_api.runs.views import (
    ImageResultNotFound,
    read_masks,
    require_image,
    require_run,
    view_run,
)
from samfleet_api.short_ids import RunId

router = APIRouter(prefix="/v1/runs", tags=["runs"])

MAX_IMAGE_ID = 2**63 - 1
MaxSide = Annotated[int, Query(ge=16, le=8192, description="Maximum width and height of the overlay in pixels.")]
NoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="`ETag` of the picture that you have: returns 304 if equal.")
]
ImageId = Annotated[int, Path(ge=0, le=MAX_IMAGE_ID, description="COCO id of the image in the dataset.")]


@router.get(
    "/{run_id}",
    summary="Read a run with its stage times",
    operation_id="run_read",
    responses=problems(RunNotFound),
)
def read_run(
    run_id: RunId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    *,
    include_warmup: Annotated[bool, Query(description="Include the first executions after a load.")] = False,
) -> Run:
    run = require_run(session, tenant_id, run_id)
    return view_run(
        run,
        progress_of_runs(session, [run])[run.id],
        repository.facts_of(session, [run.id]).get(run.id, RunFacts()),
        stage_statistics(session, run, include_warmup=include_warmup),
        stalled=stalled_runs(session, [run]).get(run.id),
    )


@router.get(
    "/{run_id}/images",
    summary="List a run's images with their outcomes",
    operation_id="run_list_images",
    responses=problems(RunNotFound, CursorInvalid, ImageBoundsInvalid, ImageSortImpossible),
)
def list_run_images(
    run_id: RunId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    wanted: ImageFilterValue,
    sort: Sort = ImageOrder.POSITION,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
    from_position: FromPosition = 0,
) -> Page[ImageOfRun]:
    """List images with their outcomes, including pending ones.

    With a condition that is no index of the order, a page looks at a part of the run, so it may have few items or none;
    go on while `next` is set.
    """
    run = require_run(session, tenant_id, run_id)
    require_sortable(wanted, sort, from_position)
    after = decode_cursor(cursor, lambda parts: place_of(parts, sort))
    if from_position:
        after = max(after or (-1,), (from_position - 1,))
    found, following = page_of_images(session, run, wanted, order=sort, after=after, limit=limit)
    items = [ImageOfRun.of(row) for row in found]
    return Page(items=items, next=None if following is None else encode_cursor(*cursor_parts(following, sort)))


@router.get(
    "/{run_id}/images/{image_id}",
    summary="Read one image's masks",
    operation_id="run_read_image",
    responses=problems(RunNotFound, ImageResultNotFound, ObjectNotFound, PartFileDamaged, StorageUnavailable),
)
@long_running
def read_run_image(
    run_id: RunId,
    image_id: ImageId,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    *,
    with_masks: Annotated[bool, Query(description="If false, `masks` is empty, and the reply quick.")] = True,
) -> RunImage:
    """Return the image's masks and stage times."""
    with read_only(engine) as session:
        run = require_run(session, tenant_id, run_id)
        result, image = require_image(session, tenant_id, run_id, image_id)
    found = read_masks(store, result) if with_masks else ()
    masks = [{**mask, "bbox": box_of(mask, BoxForm.PIXELS)} for mask in found]
    return RunImage.of(run, result, image.file_name, masks)


@router.get(
    "/{run_id}/images/{image_id}/overlay.png",
    summary="Render one image's masks",
    operation_id="run_read_overlay",
    response_class=Response,
    responses={
        200: {"description": "The upright image with its masks.", "content": {"image/png": {}}},
        304: {"description": "The picture matches `If-None-Match`."},
        **problems(*PICTURE_ERRORS),
    },
)
@long_running
def read_overlay(
    run_id: RunId,
    image_id: ImageId,
    tenant_id: TenantId,
    pictures: PicturesValue,
    max_side: MaxSide = 1600,
    *,
    with_masks: Annotated[bool, Query(description="If false, render only the upright image.")] = True,
    none_match: NoneMatch = None,
) -> Response:
    """Render the image with its masks. Browsers keep the picture for an hour, and then ask whether it has changed."""
    with read_only(pictures.engine) as session:
        found = require_image(session, tenant_id, run_id, image_id)
    return overlay_response(pictures, found, none_match, max_side=max_side, with_masks=with_masks)
