"""Sizes of a dataset's images, which the results of its jobs have."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import ImageResult, Job, Run

RUNS_READ = 5  # the newest ones; nearly always the first of them has all images


def sizes_of(session: Session, dataset_id: uuid.UUID, ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
    """Return (width, height) in pixels by `DatasetImage.id`; only of `ids` that one of the newest runs has read."""
    newest = (
        select(Run.id).join(Job, Job.id == Run.job_id).where(Job.dataset_id == dataset_id, Run.started_at.is_not(None))
    )
    runs = session.scalars(newest.order_by(Run.started_at.desc()).limit(RUNS_READ)).all()
    results = select(ImageResult.dataset_image_id, ImageResult.width, ImageResult.height).where(
        ImageResult.run_id.in_(runs), ImageResult.dataset_image_id.in_(ids)
    )
    return {image: (width, height) for image, width, height in session.execute(results) if width and height}
