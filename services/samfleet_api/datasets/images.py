"""Images added to an open dataset."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Request

from samfleet.datasets import image_uploads
from samfleet.datasets.names import FileNameInvalid
from samfleet.datasets.service import DatasetNotFound, DatasetTooLarge, InputLimits
from samfleet.datasets.upload_errors import DatasetChanged, DatasetSealed, FileNameTaken, ImageTooLarge
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet_api.bodies import multipart_files
from samfleet_api.datasets.request_bodies import FILES_BODY
from samfleet_api.datasets.schemas import AddedByHash, AddedImages, DatasetImage, ImageHashes
from samfleet_api.dependencies import EngineValue, SettingsValue, StoreValue, TenantId
from samfleet_api.long_requests import long_running
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.short_ids import DatasetId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)

IMAGES_PER_REQUEST = 16  # of the maximum size; a thousand of the usual size fit


async def uploaded_files(
    request: Request, settings: SettingsValue, _tenant: TenantId
) -> AsyncIterator[Sequence[image_uploads.UploadedFile]]:
    async with multipart_files(request, "files", IMAGES_PER_REQUEST * settings.max_image_bytes) as files:
        yield files


UploadedFiles = Annotated[Sequence[image_uploads.UploadedFile], Depends(uploaded_files)]


@router.post(
    "/{dataset_id}/images",
    status_code=201,
    summary="Upload images",
    operation_id="dataset_add_images",
    openapi_extra=FILES_BODY,
    responses=problems(
        DatasetChanged,
        DatasetNotFound,
        DatasetSealed,
        DatasetTooLarge,
        FileNameInvalid,
        FileNameTaken,
        ImageTooLarge,
        PayloadTooLarge,
        StorageFull,
        StorageUnavailable,
    ),
)
@long_running
def add_images(
    dataset_id: DatasetId,
    files: UploadedFiles,
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    store: StoreValue,
) -> AddedImages:
    """Add all files of the request, or none. A file name may include folders, separated by '/'.

    A file that the dataset has already with this name changes nothing, so the request may be repeated.
    """
    added = image_uploads.add_images(
        engine,
        store,
        tenant_id,
        dataset_id,
        files,
        max_image_bytes=settings.max_image_bytes,
        limits=InputLimits.of(settings),
    )
    return AddedImages(items=[DatasetImage.of(row) for row in sorted(added, key=lambda row: row.id)])


@router.post(
    "/{dataset_id}/images/by-hash",
    summary="Add images that were uploaded before",
    operation_id="dataset_add_images_by_hash",
    responses=problems(
        DatasetNotFound, DatasetSealed, DatasetTooLarge, FileNameInvalid, FileNameTaken, ImageTooLarge, PayloadTooLarge
    ),
)
def add_images_by_hash(
    dataset_id: DatasetId, body: ImageHashes, tenant_id: TenantId, settings: SettingsValue, engine: EngineValue
) -> AddedByHash:
    """Add the files whose bytes this tenant has uploaded before, to any dataset, and list the names of the others.

    Uploads of other tenants are never found. The request may be repeated: it is the way to continue an upload that was
    interrupted, because it says which files the dataset lacks.
    """
    found = image_uploads.add_by_hash(
        engine,
        tenant_id,
        dataset_id,
        [image_uploads.NamedHash(file.name, file.size_bytes, file.sha256) for file in body.files],
        max_image_bytes=settings.max_image_bytes,
        limits=InputLimits.of(settings),
    )
    return AddedByHash(missing=list(found.missing), added=found.added, present=found.present)
