"""Versions of a dataset: making the next one, and listing them."""

from __future__ import annotations

from fastapi import APIRouter, Response

from samfleet.datasets import service
from samfleet.datasets.service import DatasetFailed, DatasetListing, DatasetNotFound, DatasetNotSealed
from samfleet.datasets.versions import (
    DatasetNotNewest,
    DatasetNotRefreshable,
    DatasetVersionPending,
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


@router.post(
    "/{dataset_id}/versions",
    status_code=202,
    summary="Make the next version of a dataset",
    operation_id="dataset_create_version",
    responses=problems(
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
    _body: NewVersion,
    tenant_id: TenantId,
    session: WriteSessionValue,
    queue: QueueValue,
    response: Response,
) -> Dataset:
    """List the folder or bucket again, with the same options, as a separate dataset: the next version.

    A task lists it, so its state is `listing`, then `sealed`, or `failed` with the reason. Then `changes` counts the
    images that are new, changed, gone and unchanged. The earlier version stays as it is.
    """
    version = create_refresh(session, tenant_id, dataset_id)
    wake_after_commit(session, queue, TaskName.LIST, str(version.id))
    log.info("dataset.refreshed", dataset_id=str(dataset_id), version=version.version)
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
