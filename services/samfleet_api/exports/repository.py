from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, Select, select, tuple_
from sqlalchemy.orm import Session

from samfleet.db.models import Dataset, Export, Job, Run
from samfleet_api.runs.repository import NAME_OF_JOB

ExportOfRun = Row[Export, Run, str]


def of_tenant(tenant_id: uuid.UUID) -> Select[Export, Run, str]:
    """Select the exports of a tenant, each with its run and the name of the job, or else of the dataset."""
    query = select(Export, Run, NAME_OF_JOB).join(Run, Run.id == Export.run_id).join(Job, Job.id == Run.job_id)
    query = query.join(Dataset, Dataset.id == Job.dataset_id)
    return query.where(Job.tenant_id == tenant_id, Job.deleted_at.is_(None))


def find(session: Session, tenant_id: uuid.UUID, export_id: uuid.UUID) -> ExportOfRun | None:
    return session.execute(of_tenant(tenant_id).where(Export.id == export_id)).one_or_none()


def page(
    session: Session, run_id: uuid.UUID, *, before: tuple[datetime, uuid.UUID] | None, limit: int
) -> Sequence[Export]:
    """Return exports of a run, newest first, those before the place `before`."""
    query = select(Export).where(Export.run_id == run_id)
    if before is not None:
        query = query.where(tuple_(Export.created_at, Export.id) < tuple_(*before))
    return session.scalars(query.order_by(Export.created_at.desc(), Export.id.desc()).limit(limit)).all()
