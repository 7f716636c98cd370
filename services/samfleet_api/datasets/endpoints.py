from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response
from sqlalchemy import Engine

from samfleet.config import Settings
from samfleet.datasets import repository, service
from samfleet.datasets.allowed_paths import DirectoryNotAllowed, DirectoryNotFound, resolve_allowed
from samfleet.datasets.annotate import AnnotationsUnmatched
from samfleet.datasets.annotation_entries import AnnotationsInvalid, AnnotationsNotFound, AnnotationsTooLarge
from samfleet.datasets.delete import DatasetInUse, delete_dataset
from samfleet.datasets.detections import DetectionsInvalid, DetectionsNotFound, DetectionsTooLarge
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.edit import edit_dataset
from samfleet.datasets.folder_walk import DirectoryLinksRepeat, DirectoryTooLarge, DirectoryUnreadable
from samfleet.datasets.left_out import LeftOut
from samfleet.datasets.listing import ListingRequest, create_listing, create_sealed, list_at_once
from samfleet.datasets.manifests.errors import ManifestFormatUnknown
from samfleet.datasets.manifests.lines import format_of
from samfleet.datasets.manifests.listing import ManifestRequest, create_manifest_listing
from samfleet.datasets.prompt_lines import PromptsInvalid, PromptsTooLarge
from samfleet.datasets.prompts import PromptsNotFound
from samfleet.datasets.s3_listing import S3Request, create_s3_listing
from samfleet.datasets.s3_sources import BucketNotAllowed, S3ProfileUnknown, S3Sources
from samfleet.datasets.s3_urls import SCHEME as S3_SCHEME
from samfleet.datasets.s3_urls import S3UrlInvalid, parse_s3_object, parse_s3_url
from samfleet.datasets.service import DatasetNotFound, DatasetTooLarge
from samfleet.db.models import Dataset as DatasetRow
from samfleet.db.models import DatasetState
from samfleet.db.session import transaction
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit
from samfleet.labels import LabelsInvalid, check_labels, merge_changes
from samfleet.logging import get_logger
from samfleet_api.datasets.schemas import (
    Categories,
    CreateDataset,
    Dataset,
    DatasetImage,
    EditDataset,
    ForUpload,
    FromBucket,
    FromDirectory,
    FromManifest,
)
from samfleet_api.datasets.sizes import sizes_of
from samfleet_api.dependencies import (
    EngineValue,
    QueueValue,
    ReadSessionValue,
    S3Value,
    SettingsValue,
    TenantId,
    WriteSessionValue,
)
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
    number_in,
    place_in_time,
)
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.searching import SearchValue
from samfleet_api.short_ids import DatasetId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)
log = get_logger(__name__)
LISTED_BY_A_TASK: dict[int | str, dict[str, Any]] = {202: {"model": Dataset, "description": "A task lists the images."}}


@router.post(
    "",
    status_code=201,
    summary="Create a dataset",
    operation_id="dataset_create",
    responses=LISTED_BY_A_TASK
    | problems(
        AnnotationsInvalid,
        AnnotationsNotFound,
        AnnotationsTooLarge,
        AnnotationsUnmatched,
        BucketNotAllowed,
        DatasetEmpty,
        DatasetTooLarge,
        DetectionsInvalid,
        DetectionsNotFound,
        DetectionsTooLarge,
        DirectoryLinksRepeat,
        DirectoryNotAllowed,
        DirectoryNotFound,
        DirectoryTooLarge,
        DirectoryUnreadable,
        LabelsInvalid,
        ManifestFormatUnknown,
        PayloadTooLarge,
        PromptsInvalid,
        PromptsNotFound,
        PromptsTooLarge,
        S3ProfileUnknown,
        S3UrlInvalid,
    ),
)
@long_running
def create_dataset(
    body: Annotated[CreateDataset, Body()],
    tenant_id: TenantId,
    settings: SettingsValue,
    engine: EngineValue,
    queue: QueueValue,
    s3: S3Value,
    response: Response,
) -> Dataset:
    """Create a dataset from a folder on the server, a bucket or a manifest, or an empty one that is open for uploads.

    A small folder is listed at once, and the dataset is sealed (201). A folder with more than 2,000 entries, or with
    more than 200 that take longer than 0.1 s, or with an annotations file of more than 1 MiB, is listed by a task
    (202): the state is `listing`, then `sealed`, or `failed` with the reason. A bucket and a manifest are always
    listed by a task.
    """
    check_labels(body.labels)
    if isinstance(body, ForUpload):
        with transaction(engine) as session:
            dataset = _described(service.create_upload(session, tenant_id, body.name, _left_out(body)), body)
    elif isinstance(body, FromBucket):
        dataset = _of_bucket(body, tenant_id, s3, engine, queue)
    elif isinstance(body, FromManifest):
        dataset = _of_manifest(body, tenant_id, settings, s3, engine, queue)
    else:
        dataset = _of_directory(body, tenant_id, settings, engine, queue)
    if dataset.state is DatasetState.LISTING:
        response.status_code = 202
    response.headers["Location"] = f"{router.prefix}/{dataset.id}"
    return Dataset.of(dataset)


def _of_directory(
    body: FromDirectory, tenant_id: uuid.UUID, settings: Settings, engine: Engine, queue: TaskQueue
) -> DatasetRow:
    request = ListingRequest(
        directory=body.directory,
        annotations_path=body.annotations_path,
        detections_path=body.detections_path,
        prompts_path=body.prompts_path,
        limit=body.limit,
        include_hidden=body.include_hidden,
        strict_annotations=body.strict_annotations,
    )
    listing = list_at_once(request, settings.dataset_roots, service.InputLimits.of(settings))
    with transaction(engine) as session:  # opened after the listing, which may take long
        if listing is not None:
            return _described(create_sealed(session, tenant_id, listing, body.name), body)
        dataset = _described(create_listing(session, tenant_id, request, body.name), body)
        wake_after_commit(session, queue, TaskName.LIST, str(dataset.id))
        return dataset


def _of_bucket(body: FromBucket, tenant_id: uuid.UUID, s3: S3Sources, engine: Engine, queue: TaskQueue) -> DatasetRow:
    profile = s3.choose(parse_s3_url(body.url), body.profile)
    request = S3Request(body.url, profile, body.limit, body.include_hidden)
    with transaction(engine) as session:
        dataset = _described(create_s3_listing(session, tenant_id, request, body.name), body)
        wake_after_commit(session, queue, TaskName.LIST, str(dataset.id))
        return dataset


def _of_manifest(
    body: FromManifest, tenant_id: uuid.UUID, settings: Settings, s3: S3Sources, engine: Engine, queue: TaskQueue
) -> DatasetRow:
    if body.manifest.startswith(S3_SCHEME):
        s3.choose(parse_s3_object(body.manifest), body.profile)
    else:
        resolve_allowed(body.manifest, settings.dataset_roots)
    request = ManifestRequest(body.manifest, format_of(body.manifest, body.format), body.profile, body.limit)
    with transaction(engine) as session:
        dataset = _described(create_manifest_listing(session, tenant_id, request, body.name), body)
        wake_after_commit(session, queue, TaskName.LIST, str(dataset.id))
        return dataset


def _described(dataset: DatasetRow, body: CreateDataset) -> DatasetRow:
    merge_changes(dataset, {"labels": body.labels, "notes": body.notes})
    return dataset


@router.get(
    "",
    summary="List datasets, newest first",
    operation_id="dataset_list",
    responses=problems(CursorInvalid, LabelsInvalid),
)
def list_datasets(
    tenant_id: TenantId,
    session: ReadSessionValue,
    search: SearchValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Dataset]:
    before = decode_cursor(cursor, place_in_time)
    rows = repository.page(session, tenant_id, search=search, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: key_in_time(row.created_at, row.id))
    return Page(items=[Dataset.of(row) for row in kept], next=following)


@router.get("/{dataset_id}", summary="Read a dataset", operation_id="dataset_read", responses=problems(DatasetNotFound))
def read_dataset(dataset_id: DatasetId, tenant_id: TenantId, session: ReadSessionValue) -> Dataset:
    return Dataset.of(service.get_dataset(session, tenant_id, dataset_id))


@router.patch(
    "/{dataset_id}",
    summary="Change a dataset's name, labels or notes",
    operation_id="dataset_update",
    responses=problems(DatasetNotFound, LabelsInvalid, PayloadTooLarge),
)
def update(dataset_id: DatasetId, body: EditDataset, tenant_id: TenantId, session: WriteSessionValue) -> Dataset:
    """Change the given fields, in any state (RFC 7396): null removes the notes or a label, and labels that are not
    given stay. The images, annotations and detections of a sealed dataset never change.

    Reports keep the name under which the dataset was first measured.
    """
    changes = body.model_dump(exclude_unset=True)
    log.info("dataset.changed", dataset_id=str(dataset_id), fields=sorted(changes))
    return Dataset.of(edit_dataset(session, tenant_id, dataset_id, changes))


@router.delete(
    "/{dataset_id}",
    status_code=204,
    response_class=Response,
    summary="Delete a dataset with its uploads",
    operation_id="dataset_delete",
    responses=problems(DatasetNotFound, DatasetInUse),
)
def delete(dataset_id: DatasetId, tenant_id: TenantId, session: WriteSessionValue) -> None:
    """The dataset disappears from all responses at once; its uploads and rows are removed shortly after. Until then,
    the request may be repeated.

    Rejected while a job uses the dataset. Files of a folder on the server are kept.
    """
    delete_dataset(session, tenant_id, dataset_id)
    log.info("dataset.deleted", dataset_id=str(dataset_id))


@router.get(
    "/{dataset_id}/categories",
    summary="List a dataset's categories",
    operation_id="dataset_list_categories",
    responses=problems(DatasetNotFound),
)
def list_categories(dataset_id: DatasetId, tenant_id: TenantId, session: ReadSessionValue) -> Categories:
    """Return all categories in the order of the annotations file; an empty list without annotations."""
    return Categories(items=service.get_dataset(session, tenant_id, dataset_id).categories or [])


@router.get(
    "/{dataset_id}/images",
    summary="List a dataset's images",
    operation_id="dataset_list_images",
    responses=problems(DatasetNotFound, CursorInvalid),
)
def list_images(
    dataset_id: DatasetId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[DatasetImage]:
    """List images in the order of the dataset, or in the order of upload while it is open."""
    dataset = service.get_dataset(session, tenant_id, dataset_id)
    if dataset.state is DatasetState.SEALED:
        after = decode_cursor(cursor, lambda parts: _after(parts, "position"))
        rows = repository.images_by_position(session, dataset.id, after=-1 if after is None else after, limit=limit + 1)
        kept, following = cut_page(rows, limit, lambda row: ("position", row.position or 0))
    else:
        after = decode_cursor(cursor, lambda parts: _after(parts, "id"))
        rows = repository.images_by_arrival(session, dataset.id, after=after or 0, limit=limit + 1)
        kept, following = cut_page(rows, limit, lambda row: ("id", row.id))
    sizes = sizes_of(session, dataset.id, [row.id for row in kept])
    return Page(items=[DatasetImage.of(row, sizes.get(row.id)) for row in kept], next=following)


def _left_out(body: ForUpload) -> Sequence[LeftOut]:
    return [LeftOut(one.reason, one.count, tuple(one.examples)) for one in body.left_out]


def _after(parts: Sequence[str | int], order: str) -> int:
    """Return the cursor's value. Sealing a dataset changes the order of its list and invalidates earlier cursors."""
    kind, value = parts
    if kind != order:
        raise CursorInvalid
    return number_in(value)
