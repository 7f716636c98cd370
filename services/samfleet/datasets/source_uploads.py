"""Manifests and archives uploaded into an open, empty dataset."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import IO

from sqlalchemy import Engine, func
from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.archives.listing import ArchiveRequest
from samfleet.datasets.manifests.errors import DatasetNotEmpty
from samfleet.datasets.manifests.listing import ManifestRequest
from samfleet.datasets.open_datasets import require_open
from samfleet.datasets.service import found, get_dataset
from samfleet.datasets.stored_files import stored
from samfleet.db.models import Dataset, DatasetSource, DatasetState
from samfleet.db.session import read_only, transaction
from samfleet.storage.store import ObjectStore

Request = ManifestRequest | ArchiveRequest


def upload_source(
    engine: Engine,
    store: ObjectStore,
    tenant_id: uuid.UUID,
    dataset_id: uuid.UUID,
    content: IO[bytes],
    request: Request,
    wake: Callable[[Session], None],
) -> Dataset:
    """Store the file and set the dataset to the state `listing`; `wake` sends the task that reads it."""
    source = DatasetSource.MANIFEST if isinstance(request, ManifestRequest) else DatasetSource.ARCHIVE
    with read_only(engine) as session:
        _require_empty(get_dataset(session, tenant_id, dataset_id))
    with (
        stored(store, f"datasets/{dataset_id}/{source.value}s", content) as file,
        transaction(engine) as session,
    ):
        dataset = _require_empty(found(repository.lock(session, tenant_id, dataset_id), dataset_id))
        dataset.source, dataset.state = source, DatasetState.LISTING
        frames = (dataset.listing or {}).get("frames")  # chosen when the dataset was created
        dataset.listing = asdict(replace(request, stored=file.key, frames=frames))
        dataset.stored_bytes += file.size_bytes
        dataset.stored_objects += 1
        dataset.sent_at = func.now()
        session.flush()
        session.refresh(dataset)
        wake(session)
        file.keep()
    return dataset


def _require_empty(dataset: Dataset) -> Dataset:
    """Return the dataset if it is open and at most prompts were uploaded into it."""
    require_open(dataset)
    if dataset.base_id is not None:
        raise DatasetNotEmpty(
            f"dataset {dataset.id} is a version, which has the images of its base; create another one"
        )
    if dataset.image_count or dataset.annotations_key or dataset.detections_key:
        raise DatasetNotEmpty(
            f"dataset {dataset.id} already has images, annotations or detections; create another one, with at most "
            "prompts"
        )
    return dataset
