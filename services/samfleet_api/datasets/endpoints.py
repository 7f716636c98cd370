from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import IO, Annotated

from fastapi import APIRouter, Body, Depends, Request, Response

from samfleet.datasets import repository, service, uploads
from samfleet.datasets.annotations import AnnotationsInvalid, AnnotationsNotFound, AnnotationsTooLarge
from samfleet.datasets.deleting import DatasetInUse, delete_dataset
from samfleet.datasets.detections import DetectionsInvalid, DetectionsNotFound, DetectionsTooLarge
from samfleet.datasets.directory import DatasetEmpty, DirectoryNotAllowed, DirectoryNotFound, DirectoryUnreadable
from samfleet.datasets.names import FileNameInvalid
from samfleet.datasets.service import DatasetNotFound
from samfleet.datasets.uploads import DatasetChanged, DatasetSealed, FileNameTaken, ImageTooLarge
from samfleet.db.models import DatasetImage as ImageRow
from samfleet.db.models import DatasetState
from samfleet.db.session import transaction
from samfleet.logging import get_logger
from samfleet.storage.store import StorageFull, StorageUnavailable
from samfleet_api.bodies import multipart_files, spooled_body
from samfleet_api.datasets.request_bodies import ANNOTATIONS_BODY, DETECTIONS_BODY, FILES_BODY
from samfleet_api.datasets.schemas import AddedImages, CreateDataset, Dataset, DatasetImage, FromDirectory
from samfleet_api.dependencies import (
    EngineValue,
    ReadSessionValue,
    SettingsValue,
    StoreValue,
    TenantId,
    WriteSessionValue,
)
from samfleet_api.pagination import DEFAULT_LIMIT, Cursor, CursorInvalid, Limit, Page, cut_page, decode_cursor
from samfleet_api.problems import PayloadTooLarge, problems

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
log = get_logger(__name__)

IMAGES_PER_REQUEST = 16  # of the largest size; of the usual size a thousand fit


async def uploaded_files(
    request: Request, settings: SettingsValue, _tenant: TenantId
) -> AsyncIterator[Sequence[uploads.UploadedFile]]:
    async with multipart_files(request, "files", IMAGES_PER_REQUEST * settings.max_image_bytes) as files:
        yield files


async def annotations_file(request: Request, settings: SettingsValue, _tenant: TenantId) -> AsyncIterator[IO[bytes]]:
    limit = settings.max_annotations_bytes
    error = AnnotationsTooLarge(f"the annotations have more than {limit} bytes, the most this server accepts")
    async with spooled_body(request, limit, error) as file:
        yield file


async def detections_file(request: Request, settings: SettingsValue, _tenant: TenantId) -> AsyncIterator[IO[bytes]]:
    limit = settings.max_annotations_bytes
    error = DetectionsTooLarge(f"the detections have more than {limit} bytes, the most this server accepts")
    async with spooled_body(request, limit, error) as file:
        yield file


UploadedFiles = Annotated[Sequence[uploads.UploadedFile], Depends(uploaded_files)]
AnnotationsFile = Annotated[IO[bytes], Depends(annotations_file)]
DetectionsFile = Annotated[IO[bytes], Depends(detections_file)]


@router.post(
    "",
    status_code=201,
    summary="Make a dataset",
    operation_id="dataset_create",
    responses=problems(
        AnnotationsInvalid,
        AnnotationsNotFound,
        AnnotationsTooLarge,
        DatasetEmpty,
        DetectionsInvalid,
        DetectionsNotFound,
        DetectionsTooLarge,
        DirectoryNotAllowed,
        DirectoryNotFound,
        DirectoryUnreadable,
        FileNameInvalid,
        PayloadTooLarge,
    ),
)
def create_dataset(
    body: Annotated[CreateDataset, Body()],
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    response: Response,
) -> Dataset:
    """From a folder on the server, which is listed and sealed at once, or open for uploads."""
    if isinstance(body, FromDirectory):
        listing = service.list_directory(
            body.directory,
            annotations_path=body.annotations_path,
            detections_path=body.detections_path,
            limit=body.limit,
            roots=settings.dataset_roots,
            max_annotations_bytes=settings.max_annotations_bytes,
        )
        with transaction(engine) as session:  # not around the listing, which may take long
            dataset = service.create_from_directory(session, tenant_id, listing, body.name)
    else:
        with transaction(engine) as session:
            dataset = service.create_upload(session, tenant_id, body.name)
    response.headers["Location"] = f"{router.prefix}/{dataset.id}"
    return Dataset.of(dataset)


@router.get("", summary="List datasets, newest first", operation_id="dataset_list", responses=problems(CursorInvalid))
def list_datasets(
    tenant_id: TenantId, session: ReadSessionValue, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Dataset]:
    before = decode_cursor(cursor, lambda parts: (datetime.fromisoformat(str(parts[0])), uuid.UUID(str(parts[1]))))
    rows = repository.page(session, tenant_id, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.created_at.isoformat(), str(row.id)))
    return Page(items=[Dataset.of(row) for row in kept], next=following)


@router.get("/{dataset_id}", summary="Read a dataset", operation_id="dataset_read", responses=problems(DatasetNotFound))
def read_dataset(dataset_id: uuid.UUID, tenant_id: TenantId, session: ReadSessionValue) -> Dataset:
    return Dataset.of(service.get_dataset(session, tenant_id, dataset_id))


@router.delete(
    "/{dataset_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a dataset with its uploads",
    operation_id="dataset_delete",
    responses=problems(DatasetNotFound, DatasetInUse),
)
def delete(dataset_id: uuid.UUID, tenant_id: TenantId, session: WriteSessionValue) -> None:
    """It is gone from all answers at once, its uploads and rows shortly after. May be repeated until they are.

    Refused while a job uses it. Files of a folder on the server stay where they are.
    """
    delete_dataset(session, tenant_id, dataset_id)
    log.info("dataset.deleted", dataset_id=str(dataset_id))


@router.get(
    "/{dataset_id}/images",
    summary="List a dataset's images",
    operation_id="dataset_list_images",
    responses=problems(DatasetNotFound, CursorInvalid),
)
def list_images(
    dataset_id: uuid.UUID,
    tenant_id: TenantId,
    session: ReadSessionValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[DatasetImage]:
    """In the order of the dataset; of one that is still open, in the order of arrival."""
    dataset = service.get_dataset(session, tenant_id, dataset_id)
    if dataset.state is DatasetState.SEALED:
        after = decode_cursor(cursor, lambda parts: _after(parts, "position"))
        rows = repository.images_by_position(session, dataset.id, after=-1 if after is None else after, limit=limit + 1)
        kept, following = cut_page(rows, limit, lambda row: ("position", row.position or 0))
    else:
        after = decode_cursor(cursor, lambda parts: _after(parts, "id"))
        rows = repository.images_by_arrival(session, dataset.id, after=after or 0, limit=limit + 1)
        kept, following = cut_page(rows, limit, lambda row: ("id", row.id))
    return Page(items=[DatasetImage.of(row) for row in kept], next=following)


@router.post(
    "/{dataset_id}/images",
    status_code=201,
    summary="Upload images",
    operation_id="dataset_add_images",
    openapi_extra=FILES_BODY,
    responses=problems(
        DatasetNotFound,
        DatasetSealed,
        FileNameInvalid,
        FileNameTaken,
        ImageTooLarge,
        PayloadTooLarge,
        StorageFull,
        StorageUnavailable,
    ),
)
def add_images(
    dataset_id: uuid.UUID,
    files: UploadedFiles,
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    store: StoreValue,
) -> AddedImages:
    """All files of the request are added, or none. A file name may hold folders, separated by '/'."""
    added: Sequence[ImageRow] = uploads.add_images(
        engine, store, tenant_id, dataset_id, files, max_image_bytes=settings.max_image_bytes
    )
    return AddedImages(items=[DatasetImage.of(row) for row in sorted(added, key=lambda row: row.id)])


@router.put(
    "/{dataset_id}/annotations",
    summary="Give the annotations",
    operation_id="dataset_put_annotations",
    openapi_extra=ANNOTATIONS_BODY,
    responses=problems(
        DatasetNotFound, DatasetSealed, AnnotationsInvalid, AnnotationsTooLarge, StorageFull, StorageUnavailable
    ),
)
def put_annotations(
    dataset_id: uuid.UUID, content: AnnotationsFile, tenant_id: TenantId, engine: EngineValue, store: StoreValue
) -> Dataset:
    """A COCO instances file; it replaces the one before. It is matched to the images when the dataset is sealed."""
    return Dataset.of(uploads.put_annotations(engine, store, tenant_id, dataset_id, content))


@router.put(
    "/{dataset_id}/detections",
    summary="Give the detections",
    operation_id="dataset_put_detections",
    openapi_extra=DETECTIONS_BODY,
    responses=problems(
        DatasetNotFound, DatasetSealed, DetectionsInvalid, DetectionsTooLarge, StorageFull, StorageUnavailable
    ),
)
def put_detections(
    dataset_id: uuid.UUID, content: DetectionsFile, tenant_id: TenantId, engine: EngineValue, store: StoreValue
) -> Dataset:
    """COCO results with boxes, which prompt the sampler object_aware; they replace the ones before. Their image ids
    are checked when the dataset is sealed: those of the annotations file, or 1, 2, 3, … in the order of the names.
    """
    return Dataset.of(uploads.put_detections(engine, store, tenant_id, dataset_id, content))


@router.post(
    "/{dataset_id}/seal",
    summary="Seal a dataset",
    operation_id="dataset_seal",
    responses=problems(
        DatasetNotFound, DatasetEmpty, DatasetChanged, AnnotationsInvalid, DetectionsInvalid, StorageUnavailable
    ),
)
def seal_dataset(dataset_id: uuid.UUID, tenant_id: TenantId, engine: EngineValue, store: StoreValue) -> Dataset:
    """The list of images becomes final and jobs may use it; images get their order and ids. May be repeated."""
    return Dataset.of(uploads.seal(engine, store, tenant_id, dataset_id))


def _after(parts: Sequence[str | int], order: str) -> int:
    """A list changes its order when its dataset is sealed; cursors from before are void then."""
    kind, value = parts
    if kind != order or not isinstance(value, int):
        raise CursorInvalid
    return value
