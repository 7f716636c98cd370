"""Downloads of a run's results, streamed from its part files with constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, Job
from samfleet.db.models import Run as RunRow
from samfleet.db.session import read_only
from samfleet.jobs.coco_files import BoxForm, Instances
from samfleet.jobs.export import (
    FILE_NAMES,
    MEDIA_TYPES,
    Export,
    ExportFormat,
    RunNotFound,
    iter_export,
    recorded_parts,
)
from samfleet.storage.jsonl import PartFileDamaged
from samfleet.storage.store import ObjectNotFound, StorageUnavailable
from samfleet_api.dependencies import EngineValue, StoreValue, TenantId
from samfleet_api.long_requests import LongRequestsValue, long_running
from samfleet_api.problems import problems
from samfleet_api.ranges import matches
from samfleet_api.runs import repository
from samfleet_api.runs.encoding import Coding, choose_coding, encoded
from samfleet_api.runs.views import require_run
from samfleet_api.short_ids import RunId

router = APIRouter(prefix="/v1/runs", tags=["runs"])

Format = Annotated[
    ExportFormat,
    Query(
        alias="format",
        description="`coco`: a COCO results array. `instances`: a whole COCO file, with images, annotations and "
        "categories. `jsonl`: one line per image, including failed ones, with the generator's fields.",
    ),
]
Boxes = Annotated[
    BoxForm,
    Query(
        alias="boxes",
        description="`pixels`: x, y, width and height of the pixels that a mask covers, as pycocotools computes them. "
        "`official`: width and height are one less, as in the official generator. Not for `jsonl`.",
    ),
]
NoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", description="`ETag` of an earlier response: returns 304 if nothing changed."),
]
_SCHEMAS = {
    ExportFormat.COCO: {"anyOf": [{"type": "array", "items": {"type": "object"}}, {"type": "object"}]},
    ExportFormat.JSONL: {"type": "string"},
}


@router.head("/{run_id}/results", include_in_schema=False)
@router.get(
    "/{run_id}/results",
    summary="Download the results",
    operation_id="run_read_results",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "COCO results, a COCO file or JSON lines; zstd or gzip according to `Accept-Encoding`.",
            "content": {MEDIA_TYPES[form]: {"schema": schema} for form, schema in _SCHEMAS.items()},
        },
        304: {"description": "The results match `If-None-Match`."},
        **problems(RunNotFound, ObjectNotFound, PartFileDamaged, StorageUnavailable),
    },
)
@long_running
def read_results(
    run_id: RunId,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    request: Request,
    long_requests: LongRequestsValue,
    form: Format = ExportFormat.COCO,
    boxes: Boxes = BoxForm.PIXELS,
    none_match: NoneMatch = None,
) -> Response:
    """Stream the results. For a running or cancelled run, these are the results recorded so far."""
    with read_only(engine) as session:
        run = require_run(session, tenant_id, run_id)
        parts, owner = recorded_parts(session, run_id), repository.owner_of(session, run)
        export = Export(form, boxes, _instances(session, run) if form is ExportFormat.INSTANCES else Instances({}))
    coding = choose_coding(request.headers.get("Accept-Encoding"))
    headers = _headers(owner.stem(), export, parts, coding)
    if matches(none_match, headers["ETag"]):
        return Response(status_code=304, headers={name: headers[name] for name in ("ETag", "Vary")})
    if request.method == "HEAD":
        return Response(media_type=MEDIA_TYPES[form], headers=headers)
    chunks = _begun(iter_export(store, parts, export))
    body = long_requests.read(encoded(chunks, coding))
    return StreamingResponse(body, media_type=MEDIA_TYPES[form], headers=headers)


def _instances(session: Session, run: RunRow) -> Instances:
    """Metadata of a COCO file: the run's model, licences and checkpoint hashes, and the dataset's categories."""
    query = select(Dataset.categories).join(Job, Job.dataset_id == Dataset.id).where(Job.id == run.job_id)
    info = {"description": f"Masks of {run.variant}, made by samfleet", "variant": run.variant, **run.provenance}
    return Instances(info, session.scalars(query).one() or ())


def _headers(stem: str, export: Export, parts: list[str], coding: Coding) -> dict[str, str]:
    headers = {
        "Content-Disposition": f'attachment; filename="{stem}.{FILE_NAMES[export.form]}"',
        "ETag": f'"{export.version(parts)}-{coding}"',  # the bytes differ by coding, so the tag must differ too
        "Vary": "Accept-Encoding",
    }
    return headers if coding is Coding.IDENTITY else {**headers, "Content-Encoding": coding.value}


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first chunk before the response starts, while a missing file can still become a 404."""
    first = next(chunks, b"")
    return chain([first], chunks)
