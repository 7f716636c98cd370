"""Uploads of a manifest or an archive, from which a task fills and seals an open dataset."""

from __future__ import annotations

from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy.orm import Session

from samfleet.datasets.archives.errors import ArchiveTooLarge
from samfleet.datasets.archives.listing import ArchiveRequest
from samfleet.datasets.archives.members import Format as ArchiveFormat
from samfleet.datasets.manifests.errors import DatasetNotEmpty, ManifestTooLarge
from samfleet.datasets.manifests.lines import Format
from samfleet.datasets.manifests.listing import ManifestRequest
from samfleet.datasets.service import DatasetFailed, DatasetListing, DatasetNotFound
from samfleet.datasets.source_uploads import upload_source
from samfleet.datasets.upload_errors import DatasetSealed
from samfleet.jobs.queue import TaskName, wake_after_commit
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet_api.datasets.request_bodies import ARCHIVE_BODY, MANIFEST_BODY
from samfleet_api.datasets.schemas import MOST_IMAGES, Dataset
from samfleet_api.datasets.spooled import of_annotations, spooled
from samfleet_api.dependencies import EngineValue, QueueValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import problems
from samfleet_api.schemas import StorableText
from samfleet_api.short_ids import DatasetId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)


ManifestFile = Annotated[IO[bytes], Depends(spooled("the manifest has", ManifestTooLarge, of_annotations))]
ArchiveFile = Annotated[
    IO[bytes], Depends(spooled("the archive has", ArchiveTooLarge, lambda settings: settings.max_archive_bytes))
]


@router.put(
    "/{dataset_id}/manifest",
    status_code=202,
    summary="Upload a manifest",
    operation_id="dataset_put_manifest",
    openapi_extra=MANIFEST_BODY,
    responses=problems(
        DatasetNotFound,
        DatasetFailed,
        DatasetListing,
        DatasetNotEmpty,
        DatasetSealed,
        ManifestTooLarge,
        StorageFull,
        StorageUnavailable,
    ),
)
@long_running
def put_manifest(
    dataset_id: DatasetId,
    content: ManifestFile,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    queue: QueueValue,
    form: Annotated[Format, Query(alias="format", description="JSON Lines, CSV with a header, or Parquet.")],
    base: Annotated[
        StorableText | None,
        Query(min_length=1, max_length=4096, description="Folder on the server, or s3://…, of relative paths."),
    ] = None,
    profile: Annotated[
        StorableText | None, Query(min_length=1, max_length=63, description="Name of a profile in SAMFLEET_S3_SOURCES.")
    ] = None,
    limit: Annotated[
        int | None, Query(ge=1, le=MOST_IMAGES, description="Only the first images of the manifest.")
    ] = None,
) -> Dataset:
    """Fill an open, empty dataset with the images that a manifest lists. A task reads it and seals the dataset: the
    state is `listing`, then `sealed`, or `failed` with the reason.
    """
    request = ManifestRequest("the manifest", form, profile, limit, base)

    def wake(session: Session) -> None:
        wake_after_commit(session, queue, TaskName.LIST, str(dataset_id))

    return Dataset.of(upload_source(engine, store, tenant_id, dataset_id, content, request, wake))


@router.put(
    "/{dataset_id}/archive",
    status_code=202,
    summary="Upload an archive",
    operation_id="dataset_put_archive",
    openapi_extra=ARCHIVE_BODY,
    responses=problems(
        ArchiveTooLarge,
        DatasetNotFound,
        DatasetFailed,
        DatasetListing,
        DatasetNotEmpty,
        DatasetSealed,
        StorageFull,
        StorageUnavailable,
    ),
)
@long_running
def put_archive(
    dataset_id: DatasetId,
    content: ArchiveFile,
    tenant_id: TenantId,
    engine: EngineValue,
    store: StoreValue,
    queue: QueueValue,
    form: Annotated[ArchiveFormat, Query(alias="format")],
    limit: Annotated[int | None, Query(ge=1, le=MOST_IMAGES, description="Only the first images.")] = None,
    *,
    include_hidden: Annotated[bool, Query(description="Include hidden files, and those of operating systems.")] = False,
) -> Dataset:
    """Fill an open, empty dataset with the images of an archive. A task unpacks them and seals the dataset: the state
    is `listing`, then `sealed`, or `failed` with the reason. The archive is then deleted.
    """
    request = ArchiveRequest("the archive", form, None, limit, include_hidden)

    def wake(session: Session) -> None:
        wake_after_commit(session, queue, TaskName.LIST, str(dataset_id))

    return Dataset.of(upload_source(engine, store, tenant_id, dataset_id, content, request, wake))
