"""Endpoints for exports of runs."""

from __future__ import annotations

import uuid
from dataclasses import asdict

from fastapi import APIRouter, Response
from sqlalchemy.orm import Session

from samfleet.db.session import transaction
from samfleet.exports.delete import delete_export, delete_objects
from samfleet.exports.errors import (
    ExportFormatUnknown,
    ExportLibraryMissing,
    ExportNotFound,
    ExportNotGeoreferenced,
    ExportTooManyClasses,
    ExportTooManyFiles,
    ExportTooManyMasks,
    RunNotEnded,
    TooManyExports,
)
from samfleet.exports.estimate import estimate_export
from samfleet.exports.request import request_export
from samfleet.exports.versions import parts_version
from samfleet.jobs.export import RunNotFound, recorded_parts
from samfleet.logging import get_logger
from samfleet.reviews.versions import review_version
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, StorageUnavailable
from samfleet_api.dependencies import (
    EngineValue,
    QueueValue,
    ReadSessionValue,
    StoreValue,
    TenantId,
    WriteSessionValue,
)
from samfleet_api.exports import repository
from samfleet_api.exports.repository import ExportOfRun
from samfleet_api.exports.requests import CreateExport
from samfleet_api.exports.schemas import Export, ExportEstimate, ExportFormats
from samfleet_api.file_names import FileOwner
from samfleet_api.long_requests import long_running
from samfleet_api.pagination import (
    DEFAULT_LIMIT,
    Cursor,
    CursorInvalid,
    Limit,
    Page,
    cut_page,
    decode_cursor,
    key_in_time,
    place_in_time,
)
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.runs.repository import owner_of
from samfleet_api.runs.views import require_run
from samfleet_api.short_ids import ExportId, RunId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1", tags=["exports"], route_class=StrictJsonRoute)
log = get_logger(__name__)


@router.get(
    "/export-formats",
    summary="List the formats of exports and their options",
    operation_id="export_list_formats",
    responses=problems(),
)
def list_formats(_tenant_id: TenantId) -> ExportFormats:
    return ExportFormats.of_server()


@router.post(
    "/runs/{run_id}/exports",
    status_code=202,
    summary="Export a run's results",
    operation_id="export_create",
    responses={
        200: {"model": Export, "description": "The export of an earlier, equal request on the same results."},
        **problems(ExportFormatUnknown, ExportNotFound, PayloadTooLarge, RunNotEnded, RunNotFound, TooManyExports),
    },
)
def create(
    run_id: RunId,
    body: CreateExport,
    tenant_id: TenantId,
    session: WriteSessionValue,
    queue: QueueValue,
    response: Response,
) -> Export:
    """Build a file in the background. An equal request returns the same export, unless it failed or the run was
    retried; then another is built.
    """
    export, created = request_export(session, queue, tenant_id, run_id, body.request())
    response.status_code = 202 if created else 200
    response.headers["Location"] = f"{router.prefix}/exports/{export.id}"
    log.info("export.requested", export_id=str(export.id), run_id=str(run_id), format=export.format, new=created)
    run = require_run(session, tenant_id, run_id)
    return Export.of(export, run, owner_of(session, run), export.parts_version, export.review_version)


@router.post(
    "/runs/{run_id}/exports/estimate",
    summary="Estimate the size of an export",
    operation_id="export_estimate",
    responses=problems(
        ExportFormatUnknown,
        ExportLibraryMissing,
        ExportNotGeoreferenced,
        ExportTooManyClasses,
        ExportTooManyFiles,
        ExportTooManyMasks,
        ObjectNotFound,
        PartFileDamaged,
        PayloadTooLarge,
        RunNotEnded,
        RunNotFound,
        StorageUnavailable,
    ),
)
@long_running
def estimate(
    run_id: RunId, body: CreateExport, tenant_id: TenantId, engine: EngineValue, store: StoreValue
) -> ExportEstimate:
    """Return the exact size if an equal request has built the file or the run is small; else write a few images and
    scale their size by the number of masks. Nothing is stored.
    """
    found = estimate_export(engine, store, tenant_id, run_id, body.request())
    return ExportEstimate(**asdict(found))


@router.get(
    "/runs/{run_id}/exports",
    summary="List a run's exports, newest first",
    operation_id="export_list",
    responses=problems(RunNotFound, CursorInvalid),
)
def list_exports(
    run_id: RunId, tenant_id: TenantId, session: ReadSessionValue, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Export]:
    run = require_run(session, tenant_id, run_id)
    rows = repository.page(session, run.id, before=decode_cursor(cursor, place_in_time), limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: key_in_time(row.created_at, row.id))
    version = parts_version(recorded_parts(session, run.id)) if kept else ""
    review = review_version(session, run.id) if kept else 0
    owner = owner_of(session, run)
    return Page(items=[Export.of(row, run, owner, version, review) for row in kept], next=following)


@router.get(
    "/exports/{export_id}",
    summary="Read an export and its progress",
    operation_id="export_read",
    responses=problems(ExportNotFound),
)
def read(export_id: ExportId, tenant_id: TenantId, session: ReadSessionValue) -> Export:
    export, run, name = require_export(session, tenant_id, export_id)
    owner = FileOwner(run.id, run.variant, name)
    version = parts_version(recorded_parts(session, run.id))
    return Export.of(export, run, owner, version, review_version(session, run.id))


@router.delete(
    "/exports/{export_id}",
    status_code=204,
    response_class=Response,
    summary="Delete an export with its file",
    operation_id="export_delete",
    responses=problems(ExportNotFound),
)
@long_running
def delete(export_id: ExportId, tenant_id: TenantId, engine: EngineValue, store: StoreValue) -> None:
    """An export that is being built is deleted too. The run's results stay."""
    with transaction(engine) as session:
        require_export(session, tenant_id, export_id)
        key = delete_export(session, export_id)
    log.info("export.deleted", export_id=str(export_id))
    if key is not None:
        delete_objects(engine, store, [key])


def require_export(session: Session, tenant_id: uuid.UUID, export_id: uuid.UUID) -> ExportOfRun:
    """Return the export with its run and the name of its files. Raises `ExportNotFound`, also for another tenant's."""
    found = repository.find(session, tenant_id, export_id)
    if found is None:
        raise ExportNotFound(f"export {export_id} does not exist; GET /v1/runs/<id>/exports lists a run's")
    return found
