"""Downloads of exports, streamed from the object store. They continue where they stopped (`Range`, `If-Range`)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse

from samfleet.db.models import Export
from samfleet.db.session import read_only
from samfleet.exports.errors import ExportNotCompleted, ExportNotFound
from samfleet.storage.store import ObjectNotFound, ObjectStore, StorageUnavailable
from samfleet_api.dependencies import EngineValue, StoreValue, TenantId
from samfleet_api.exports.endpoints import require_export
from samfleet_api.exports.schemas import file_name, media_type
from samfleet_api.file_names import FileOwner
from samfleet_api.long_requests import LongRequestsValue, long_running
from samfleet_api.problems import problems
from samfleet_api.ranges import ByteRange, RangeNotSatisfiable, matches, requested_range
from samfleet_api.short_ids import ExportId

router = APIRouter(prefix="/v1/exports", tags=["exports"])

CHUNK_BYTES = 1 << 20
Range = Annotated[
    str | None, Header(alias="Range", description="`bytes=<first>-`: only the bytes from there. One range.")
]
IfRange = Annotated[
    str | None,
    Header(alias="If-Range", description="`ETag` of the part that you have: another file is sent as a whole."),
]
NoneMatch = Annotated[
    str | None, Header(alias="If-None-Match", description="`ETag` of the file that you have: returns 304 if equal.")
]


@router.head("/{export_id}/file", include_in_schema=False)
@router.get(
    "/{export_id}/file",
    summary="Download the file of an export",
    operation_id="export_read_file",
    response_class=StreamingResponse,
    responses={
        200: {"description": "The file.", "content": {"application/octet-stream": {}}},
        206: {"description": "The requested part of the file.", "content": {"application/octet-stream": {}}},
        304: {"description": "The file matches `If-None-Match`."},
        **problems(ExportNotFound, ExportNotCompleted, ObjectNotFound, RangeNotSatisfiable, StorageUnavailable),
    },
)
@long_running
def read_file(
    export_id: ExportId,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    request: Request,
    long_requests: LongRequestsValue,
    range_header: Range = None,
    if_range: IfRange = None,
    none_match: NoneMatch = None,
) -> Response:
    """Stream the file. Its `ETag` is its SHA-256 in quotes."""
    with read_only(engine) as session:
        export, run, name = require_export(session, tenant_id, export_id)
        owner = FileOwner(run.id, run.variant, name)
    key, size = _complete(export)
    tag = f'"{export.sha256}"'
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{file_name(export, owner)}"',
    }
    if matches(none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    wanted = requested_range(range_header, size) if if_range in (None, tag) and request.method == "GET" else None
    length = size if wanted is None else wanted.length
    headers["Content-Length"] = str(length)
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range
    if request.method == "HEAD":
        return Response(media_type=media_type(export), headers=headers)
    body = long_requests.read(_begun(_pieces(store, key, wanted)))
    return StreamingResponse(body, 206 if wanted else 200, media_type=media_type(export), headers=headers)


def _complete(export: Export) -> tuple[str, int]:
    """Return key and size in bytes of the file. Raises `ExportNotCompleted`."""
    if export.key is None or export.bytes is None:
        reason = f": {export.error_code}: {export.error_message}" if export.error_code else ""
        raise ExportNotCompleted(f"export {export.id} is {export.state.value} and has no file{reason}")
    return export.key, export.bytes


def _pieces(store: ObjectStore, key: str, wanted: ByteRange | None) -> Iterator[bytes]:
    left = None if wanted is None else wanted.length
    with store.open(key, start=wanted.first if wanted else 0) as file:
        while piece := file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)):
            yield piece
            if left is not None:
                left -= len(piece)


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first chunk before the response starts, while a missing file can still become a 404."""
    first = next(chunks, b"")
    return chain([first], chunks)
