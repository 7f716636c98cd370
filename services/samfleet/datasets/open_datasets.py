"""Datasets that are open for uploads."""

from __future__ import annotations

import uuid

from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.service import found, require_listed
from samfleet.datasets.upload_errors import DatasetSealed
from samfleet.db.models import Dataset, DatasetState


def lock_open(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID) -> Dataset:
    """Return the dataset, locked until this transaction ends. Raises like `require_open`."""
    return require_open(found(repository.lock(session, tenant_id, dataset_id), dataset_id))


def require_open(dataset: Dataset) -> Dataset:
    """Return the dataset. Raises `DatasetSealed` and the errors of `require_listed`."""
    require_listed(dataset)
    if dataset.state is DatasetState.SEALED:
        raise DatasetSealed(f"dataset {dataset.id} is sealed and never changes again; create another one")
    return dataset
