"""Versions of a dataset: making the next one, and listing them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from samfleet.datasets import service
from samfleet.datasets.service import DatasetFailed, DatasetListing, DatasetNotFound, DatasetNotSealed
from samfleet.datasets.versions import (
    DatasetNotNewest,
    DatasetNotRefreshable,
    DatasetVersionPending,
    create_extension,
    create_refresh,
    versions_of,
)
from samfleet.jobs.queue import TaskName, wake_after_commit
from samfleet.logging import get_logger
from samfleet_api.datasets.schemas import Dataset, NewVersion
from samfleet_api.dependencies import QueueValue, ReadSessionValue, TenantId, WriteSessionValue
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
from samfleet_api.problems import PayloadTooLarge, problems
from samfleet_api.short_ids import DatasetId
from samfleet_api.strict_json import StrictJsonRoute

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=StrictJsonRoute)
log = get_logger(__name__)
OPEN_FOR_UPLOADS: dict[int | str, dict[str, Any]] = {201: {"model": Dataset, "description": "Open for uploads."}}


@router.post(
    "/{dataset_id}/versions",
    status_code=202,
    summary="Make the next version of a dataset",
    operation_id="dataset_create_version",
    responses=OPEN_FOR_UPLOADS
    | problems(
        DatasetFailed,
        DatasetListing,
        DatasetNotFound,
        DatasetNotNewest,
        DatasetNotRefreshable,
        DatasetNotSealed,
        DatasetVersionPending,
        PayloadTooLarge,
    ),
)
def create_version(
    dataset_id: DatasetId,
    body: NewVersion,
    tenant_id: TenantId,
    session: WriteSessionValue,
    queue: QueueValue,
    response: Response,
) -> Dataset:
    """Make the next version, a separate dataset; the earlier one stays as it is.

    With `refresh`, a task lists the folder or bucket again, with the same options (202): the state is `listing`, then
    `sealed`, or `failed` with the reason. With `add`, the version is open for uploads (201); sealing it adds the images
    of the earlier one, except those with the name of an upload. A version to which only prompts are uploaded has the
    images, ids, annotations and detections of the earlier one. A sealed version has in `changes` the numbers of images
    that are new, changed, gone and unchanged.
    """
    if body.refresh:
        version = create_refresh(session, tenant_id, dataset_id)
        wake_after_commit(session, queue, TaskName.LIST, str(version.id))
    else:
        version = create_extension(session, tenant_id, dataset_id)
        response.status_code = 201
    log.info("dataset.version_made", dataset_id=str(dataset_id), version=version.version, source=version.source.value)
    response.headers["Location"] = f"{router.prefix}/{version.id}"
    return Dataset.of(version)


@router.get(
    "/{dataset_id}/versions",
    summary="List the versions of a dataset, newest first",
    operation_id="dataset_list_versions",
    responses=problems(CursorInvalid, DatasetNotFound),
)
def list_versions(
    dataset_id: DatasetId,
    tenant_id: TenantId,
    session: ReadSessionValue,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Dataset]:
    """Return the versions that are not deleted, also those that are being listed or failed."""
    dataset = service.get_dataset(session, tenant_id, dataset_id)
    before = decode_cursor(cursor, lambda parts: number_in(*parts))
    rows = versions_of(session, dataset, before=before, limit=limit + 1)
    kept, following = cut_page(rows, limit, lambda row: (row.version,))
    return Page(items=[Dataset.of(row) for row in kept], next=following)
