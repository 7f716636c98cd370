from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from samfleet.datasets import repository
from samfleet.datasets.service import found
from samfleet.db.models import Dataset
from samfleet.labels import merge_changes


def edit_dataset(session: Session, tenant_id: uuid.UUID, dataset_id: uuid.UUID, changes: Mapping[str, Any]) -> Dataset:
    """Change the name, labels and notes of a dataset in any state. Its images and annotations never change with them.

    Labels are merged with those that it has. Raises `DatasetNotFound` and `LabelsInvalid`.
    """
    dataset = found(repository.lock(session, tenant_id, dataset_id, shared=True), dataset_id)
    merge_changes(dataset, changes)
    session.flush()
    return dataset
