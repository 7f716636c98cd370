from __future__ import annotations

import uuid
from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from samfleet.datasets.content import read_image
from samfleet.db.session import read_only
from samfleet.jobs.exports import FILE_NAMES, MEDIA_TYPES, ExportFormat, RunNotFound, results_of_run
from samfleet.jobs.progress import progress_of_runs
from samfleet.masks.image_errors import ImageEmpty, ImageMissing, ImageTooLarge, ImageUnreadable
from samfleet.masks.overlay import render_overlay
from samfleet.masks.record import MaskRecord
from samfleet.reports.stages import stage_statistics
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, StorageUnavailable
from samfleet_api.dependencies import EngineValue, ReadSessionValue, SettingsValue, StoreValue, TenantId
from samfleet_api.long_requests import LongRequestsValue, long_running
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
from samfleet_api.runs import repository
from samfleet_api.runs.image_schemas import ImageOfRun
from samfleet_api.runs.repository import ListedOutcome, RunFacts
from samfleet_api.runs.schemas import Run, RunImage
from samfleet_api.runs.views import (
    ImageNotSegmented,
    ImageResultNotFound,
    read_masks,
    require_image,
    require_run,
    require_segmented,
    view_run,
)

router = APIRouter(prefix="/v1/runs", tags=["runs"])

MAX_IMAGE_ID = 2**63 - 1
MaxSide = Annotated[int, Query(ge=16, le=8192, description="Largest width and height of the picture in pixels.")]
ImageId = Annotated[int, Path(ge=0, le=MAX_IMAGE_ID, description="COCO id of the image in the dataset.")]
Format = Annotated[
    ExportFormat,
    Query(
        alias="format",
        description="`coco`: a COCO results array. `jsonl`: a line per image, failed ones included.",
    ),
]
RESULT_ERRORS = problems(RunNotFound, ObjectNotFound, PartFileDamaged, StorageUnavailable)


@router.get(
    "/{run_id}",
    summary="Read a run with its stage times",
    operation_id="run_read",
    responses=problems(RunNotFound),
)
def read_run(
    run_id: uuid.UUID,
    tenant_id: TenantId,
    session: ReadSessionValue,
    *,
    include_warmup: Annotated[bool, Query(description="Count the first executions after a load too.")] = False,
) -> Run:
    run = require_run(session, tenant_id, run_id)
    return view_run(
        run,
        progress_of_runs(session, [run])[run.id],
        repository.facts_of(session, [run.id]).get(run.id, RunFacts()),
        stage_statistics(session, run.id, include_warmup=include_warmup),
    )


@router.get(
    "/{run_id}/results",
    summary="Download the results",
    operation_id="run_read_results",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "COCO results, or JSON lines.",
            "content": {
                MEDIA_TYPES[ExportFormat.COCO]: {"schema": {"type": "array", "items": {"type": "object"}}},
                MEDIA_TYPES[ExportFormat.JSONL]: {"schema": {"type": "string"}},
            },
        },
        **RESULT_ERRORS,
    },
)
@long_running
def read_results(
    run_id: uuid.UUID,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    long_requests: LongRequestsValue,
    form: Format = ExportFormat.COCO,
) -> StreamingResponse:
    """Streamed. Of a run that goes on, or was cancelled, what is recorded now."""
    with read_only(engine) as session:
        require_run(session, tenant_id, run_id)
        chunks = results_of_run(session, store, run_id, form)
    return StreamingResponse(
        long_requests.read(_begun(chunks)), media_type=MEDIA_TYPES[form], headers=_attachment(run_id, form)
    )


@router.head("/{run_id}/results", include_in_schema=False)
def head_results(
    run_id: uuid.UUID,
    tenant_id: TenantId,
    session: ReadSessionValue,
    form: Format = ExportFormat.COCO,
) -> Response:
    require_run(session, tenant_id, run_id)
    return Response(media_type=MEDIA_TYPES[form], headers=_attachment(run_id, form))


@router.get(
    "/{run_id}/images",
    summary="List a run's images with what became of them",
    operation_id="run_list_images",
    responses=problems(RunNotFound, CursorInvalid),
)
def list_run_images(
    run_id: uuid.UUID,
    tenant_id: TenantId,
    session: ReadSessionValue,
    outcome: Annotated[ListedOutcome | None, Query(description="Only those of this outcome.")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ImageOfRun]:
    """In the order of the dataset, those that wait for their turn included."""
    run = require_run(session, tenant_id, run_id)
    after = decode_cursor(cursor, lambda parts: number_in(parts[0]))
    rows = repository.page_of_images(session, run, outcome=outcome, after=after, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.position,))
    return Page(items=[ImageOfRun.of(row) for row in kept], next=following)


@router.get(
    "/{run_id}/images/{image_id}",
    summary="Read one image's masks",
    operation_id="run_read_image",
    responses=problems(RunNotFound, ImageResultNotFound, ObjectNotFound, PartFileDamaged, StorageUnavailable),
)
@long_running
def read_run_image(
    run_id: uuid.UUID, image_id: ImageId, tenant_id: TenantId, engine: EngineValue, store: StoreValue
) -> RunImage:
    """With the image's own stage times."""
    with read_only(engine) as session:
        run = require_run(session, tenant_id, run_id)
        result, image = require_image(session, tenant_id, run_id, image_id)
    return RunImage.of(run, result, image.file_name, list(read_masks(store, result)))


@router.get(
    "/{run_id}/images/{image_id}/overlay.png",
    summary="Look at one image's masks",
    operation_id="run_read_overlay",
    response_class=Response,
    responses={
        200: {"description": "The upright image with its masks.", "content": {"image/png": {}}},
        **problems(
            RunNotFound,
            ImageResultNotFound,
            ImageNotSegmented,
            ImageMissing,
            ImageEmpty,
            ImageTooLarge,
            ImageUnreadable,
            ObjectNotFound,
            PartFileDamaged,
            StorageUnavailable,
        ),
    },
)
@long_running
def read_overlay(
    run_id: uuid.UUID,
    image_id: ImageId,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    settings: SettingsValue,
    max_side: MaxSide = 1600,
    *,
    with_masks: Annotated[bool, Query(description="Without them it is the upright image alone.")] = True,
) -> Response:
    with read_only(engine) as session:
        result, image = require_image(session, tenant_id, run_id, image_id)
    require_segmented(result)
    masks = [MaskRecord.from_dict(mask) for mask in read_masks(store, result)] if with_masks else []
    content = read_image(store, image.uri, settings.max_image_bytes)
    return Response(render_overlay(content, masks, max_side=max_side), media_type="image/png")


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The first chunk is read before the answer starts, while a missing file can still become a 404."""
    first = next(chunks, b"")
    return chain([first], chunks)


def _attachment(run_id: uuid.UUID, form: ExportFormat) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{run_id}.{FILE_NAMES[form]}"'}
