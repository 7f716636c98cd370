from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import IO, Annotated, Any, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine

from samfleet.config import Settings
from samfleet.db.session import read_only
from samfleet.jobs.cancel import JobNotFound
from samfleet.reports.query import Dimension, ReportInvalid, ReportQuery
from samfleet.sites.export import Identity, SiteUnnamed, export
from samfleet.sites.import_file import SiteIsThisOne, import_file
from samfleet.sites.key import SiteKeyUnusable, fingerprint, open_key, read_key
from samfleet.sites.known import SiteKeyChanged, SiteNotFound, SiteNotTrusted, forget_site, known_sites
from samfleet.sites.parse import SiteFileDamaged, SiteFileTooLarge, SiteFileTooNew, SiteSignatureInvalid
from samfleet_api.bodies import IN_MEMORY_BYTES, multipart_files
from samfleet_api.dependencies import EngineValue, ReadSessionValue, SettingsValue, TenantId, WriteSessionValue
from samfleet_api.long_requests import LongRequestsValue, long_running
from samfleet_api.problems import PayloadInvalid, PayloadTooLarge, problems
from samfleet_api.reports.parameters import Hour, Ids, JobIds, Texts, check_range
from samfleet_api.schemas import StorableText
from samfleet_api.short_ids import whole_job_id
from samfleet_api.sites.schemas import IMPORT_BODY, Imported, Site, Sites, ThisSite

exchange = APIRouter(prefix="/v1/reports", tags=["reports"])
router = APIRouter(prefix="/v1/sites", tags=["sites"])

MEDIA_TYPE = "application/gzip"
_PIECE_BYTES = 2**16
_OVERHEAD_BYTES = 2**16  # of the multipart form around the file
NameInPath = Annotated[StorableText, Path(max_length=64, description="Name in `GET /v1/sites`.")]


def read_choice(
    tenant_id: TenantId,
    engine: EngineValue,
    *,
    variant: Texts = [],  # noqa: B006 - FastAPI copies defaults
    hardware: Ids = [],  # noqa: B006
    precision: Texts = [],  # noqa: B006
    job: JobIds = [],  # noqa: B006
    pool: Texts = [],  # noqa: B006
    dataset: Texts = [],  # noqa: B006
    since: Hour = None,
    until: Hour = None,
) -> ReportQuery:
    check_range(since, until)
    filters: dict[Dimension, tuple[Any, ...]] = {
        Dimension.VARIANT: tuple(variant),
        Dimension.HARDWARE: tuple(hardware),
        Dimension.PRECISION: tuple(precision),
        Dimension.JOB: tuple(whole_job_id(engine, tenant_id, one) for one in job),
        Dimension.POOL: tuple(pool),
        Dimension.DATASET: tuple(dataset),
    }
    return ReportQuery(tenant_id=tenant_id, filters=filters, since=since, until=until)


async def uploaded_file(request: Request, settings: SettingsValue, _tenant: TenantId) -> AsyncIterator[IO[bytes]]:
    async with multipart_files(request, "file", settings.max_site_file_bytes + _OVERHEAD_BYTES) as files:
        if len(files) != 1:
            raise PayloadInvalid(f"the form has {len(files)} files; send one at a time")
        yield files[0].content


@exchange.get(
    "/export",
    summary="Export this site's measurements",
    operation_id="report_export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Signed JSON lines, compressed with gzip.",
            "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        },
        **problems(ReportInvalid, JobNotFound, SiteUnnamed, SiteKeyUnusable),
    },
)
@long_running
def export_measurements(
    choice: Annotated[ReportQuery, Depends(read_choice)],
    settings: SettingsValue,
    engine: EngineValue,
    long_requests: LongRequestsValue,
) -> StreamingResponse:
    """Export measurements. All filters, also `since` and `until`, select whole runs. The file has no images, no image
    names and no paths.
    """
    if settings.site is None:
        raise SiteUnnamed
    site = Identity(settings.site, open_key(settings.site_key_file))
    headers = {"Content-Disposition": f'attachment; filename="{site.name}.jsonl.gz"'}
    pieces = long_requests.read(_pieces(_exported(engine, choice, site)))
    return StreamingResponse(pieces, media_type=MEDIA_TYPE, headers=headers)


def _exported(engine: Engine, choice: ReportQuery, site: Identity) -> IO[bytes]:
    """Write the export to a temporary file. Its database snapshot ends before the first byte is sent, so slow clients
    hold none.
    """
    with ExitStack() as until_written:
        file = until_written.enter_context(tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES))
        with read_only(engine) as session:
            for piece in export(session, choice, site):
                file.write(piece)
        file.seek(0)
        until_written.pop_all()
    return cast("IO[bytes]", file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


@exchange.post(
    "/import",
    summary="Import measurements of another site",
    operation_id="report_import",
    openapi_extra=IMPORT_BODY,
    responses=problems(
        PayloadTooLarge,
        SiteFileDamaged,
        SiteFileTooLarge,
        SiteFileTooNew,
        SiteIsThisOne,
        SiteKeyChanged,
        SiteKeyUnusable,
        SiteNotTrusted,
        SiteSignatureInvalid,
    ),
)
@long_running
def import_measurements(
    file: Annotated[IO[bytes], Depends(uploaded_file)],
    tenant_id: TenantId,
    settings: SettingsValue,
    session: WriteSessionValue,
    trust: Annotated[
        StorableText | None,
        Query(max_length=64, description="Fingerprint of a site to trust; required for its first import."),
    ] = None,
) -> Imported:
    """Import all of the file or nothing. Importing the same file again changes nothing; a later export of the site
    replaces its runs.
    """
    own = read_key(settings.site_key_file)
    found = import_file(
        session,
        tenant_id,
        file,
        trusted=trust,
        own_public_key=own.public if own else None,
        max_bytes=settings.max_site_file_bytes,
    )
    return Imported.model_validate(found)


@router.get("", summary="List sites", operation_id="site_list", responses=problems(SiteKeyUnusable))
def list_sites(tenant_id: TenantId, settings: SettingsValue, session: ReadSessionValue) -> Sites:
    """List this site and the sites whose measurements were imported."""
    items = [
        Site(
            name=site.name,
            fingerprint=fingerprint(site.public_key),
            exported_at=site.exported_at,
            imported_at=site.imported_at,
            runs=runs,
        )
        for site, runs in known_sites(session, tenant_id)
    ]
    return Sites(this=_this_site(settings), items=items)


@router.delete(
    "/{site_name}",
    status_code=204,
    summary="Forget a site",
    operation_id="site_forget",
    responses=problems(SiteNotFound),
)
def delete_site(site_name: NameInPath, tenant_id: TenantId, session: WriteSessionValue) -> Response:
    """Delete all measurements imported from the site, and the trust in its key."""
    forget_site(session, tenant_id, site_name)
    return Response(status_code=204)


def _this_site(settings: Settings) -> ThisSite:
    """Describe this site. If it has a name, this also creates its key, so that the owner knows the fingerprint before
    the first export.
    """
    key = open_key(settings.site_key_file) if settings.site is not None else read_key(settings.site_key_file)
    return ThisSite(name=settings.site, fingerprint=fingerprint(key.public) if key else None)
