from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from samfleet.db.models import DatasetImage, ImageResult, Job, JobState, Outcome, Run


@dataclass(frozen=True, slots=True)
class FailedImage:
    run_id: uuid.UUID
    image_id: int
    file_name: str
    code: str
    message: str
    stage: str | None


def find(session: Session, tenant_id: uuid.UUID, job_id: uuid.UUID) -> Job | None:
    return session.scalars(select(Job).where(Job.tenant_id == tenant_id, Job.id == job_id)).one_or_none()


def page(
    session: Session,
    tenant_id: uuid.UUID,
    *,
    state: JobState | None,
    before: tuple[datetime, uuid.UUID] | None,
    limit: int,
) -> Sequence[Job]:
    """Newest first; `before` is (created_at, id) of the last one seen."""
    query = select(Job).where(Job.tenant_id == tenant_id)
    if state is not None:
        query = query.where(Job.state == state)
    if before is not None:
        query = query.where(tuple_(Job.created_at, Job.id) < before)
    return session.scalars(query.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)).all()


def failed_images(
    session: Session, job_id: uuid.UUID, *, after: tuple[uuid.UUID, int] | None, limit: int
) -> Sequence[FailedImage]:
    """Run by run, in the order of the images' ids; `after` is (run_id, image_id) of the last one seen."""
    query = (
        select(ImageResult, DatasetImage.file_name)
        .join(Run, Run.id == ImageResult.run_id)
        .join(DatasetImage, DatasetImage.id == ImageResult.dataset_image_id)
        .where(Run.job_id == job_id, ImageResult.outcome == Outcome.FAILED)
    )
    if after is not None:
        query = query.where(tuple_(ImageResult.run_id, ImageResult.image_id) > after)
    rows = session.execute(query.order_by(ImageResult.run_id, ImageResult.image_id).limit(limit))
    return [
        FailedImage(
            run_id=result.run_id,
            image_id=result.image_id,
            file_name=file_name,
            code=result.error_code or "",
            message=result.error_message or "",
            stage=result.error_stage,
        )
        for result, file_name in rows
    ]
