from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Response

from samfleet.datasets import repository, service
from samfleet.datasets.allowed_paths import DirectoryNotAllowed, DirectoryNotFound
from samfleet.datasets.annotate import AnnotationsUnmatched
from samfleet.datasets.annotation_entries import AnnotationsInvalid, AnnotationsNotFound, AnnotationsTooLarge
from samfleet.datasets.archives.errors import ArchiveFormatUnknown
from samfleet.datasets.delete import DatasetInUse, delete_dataset
from samfleet.datasets.detections import DetectionsInvalid, DetectionsNotFound, DetectionsTooLarge
from samfleet.datasets.directory import DatasetEmpty
from samfleet.datasets.edit import edit_dataset
from samfleet.datasets.folder_walk import DirectoryLinksRepeat, DirectoryTooLarge, DirectoryUnreadable
from samfleet.datasets.manifests.errors import ManifestFormatUnknown
from samfleet.datasets.prompt_lines import PromptsInvalid, PromptsTooLarge
from samfleet.datasets.prompts import PromptsNotFound
from samfleet.datasets.s3_sources import BucketNotAllowed, S3ProfileUnknown
from samfleet.datasets.s3_urls import S3UrlInvalid
from samfleet.datasets.service import DatasetNotFound, DatasetTooLarge
from samfleet.db.models import DatasetState
from samfleet.labels import LabelsInvalid, check_labels
from samfleet.logging import get_logger
from samfleet_api.datasets.creation import create
from samfleet_api.datasets.schemas import Categories, Dataset, DatasetImage, EditDataset
from samfleet_api.datasets.sizes import sizes_of
from samfleet_api.datasets.sources import CreateDataset
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
        ArchiveFormatUnknown,
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
    """Create a dataset from a folder on the server, a bucket, a manifest or an archive, or an empty one for uploads.

    A small folder is listed at once, and the dataset is sealed (201). A folder with more than 2,000 entries, or with
    more than 200 that take longer than 0.1 s, or with an annotations file of more than 1 MiB, is listed by a task
    (202): the state is `listing`, then `sealed`, or `failed` with the reason. Other sources are always listed by
    a task.
    """
    check_labels(body.labels)
    dataset = create(body, tenant_id, settings, s3, engine, queue)
    if dataset.state is DatasetState.LISTING:
        response.status_code = 202
    response.headers["Location"] = f"{router.prefix}/{dataset.id}"
    return Dataset.of(dataset)


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


def _after(parts: Sequence[str | int], order: str) -> int:
    """Return the cursor's value. Sealing a dataset changes the order of its list and invalidates earlier cursors."""
    kind, value = parts
    if kind != order:
        raise CursorInvalid
    return number_in(value)
