from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import (
    Dataset,
    DatasetImage,
    ImageResult,
    ImageReview,
    Job,
    MaskReview,
    MaskState,
    Outcome,
    ReviewChange,
    Run,
    RunReview,
)
from samfleet_api.actors import key_name
from samfleet_api.reviews.schemas import PersonReview

STATES = (MaskState.ACCEPTED, MaskState.REJECTED, MaskState.DELETED)
MOST_CATEGORIES = 1000  # that a reviewer is offered


def image_review(session: Session, run_id: uuid.UUID, image_id: int) -> ImageReview | None:
    return session.get(ImageReview, (run_id, image_id))


def masks_of(
    session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID, image_id: int
) -> Sequence[Row[MaskReview, str | None]]:
    """Return the decisions about an image's masks in the order of the masks, each with the name of its key."""
    query = select(MaskReview, key_name(MaskReview.actor, tenant_id))
    of_image = MaskReview.run_id == run_id, MaskReview.image_id == image_id
    return session.execute(query.where(*of_image).order_by(MaskReview.mask)).all()


def changes_of(
    session: Session, tenant_id: uuid.UUID, run_id: uuid.UUID, image_id: int, *, before: int | None, limit: int
) -> Sequence[Row[ReviewChange, str | None]]:
    """Return changes of an image's review, newest first, those before the version `before`."""
    query = select(ReviewChange, key_name(ReviewChange.actor, tenant_id))
    query = query.where(ReviewChange.run_id == run_id, ReviewChange.image_id == image_id)
    if before is not None:
        query = query.where(ReviewChange.version < before)
    return session.execute(query.order_by(ReviewChange.version.desc()).limit(limit)).all()


def run_reviews(session: Session, run_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, RunReview]:
    rows = session.scalars(select(RunReview).where(RunReview.run_id.in_(run_ids)))
    return {row.run_id: row for row in rows}


def people_of(
    session: Session, tenant_id: uuid.UUID, run_ids: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[PersonReview]]:
    """Count the decided masks of each run by the key that changed them last, the largest number first."""
    counts = (func.count().filter(MaskReview.state == state) for state in STATES)
    query = (
        select(MaskReview.run_id, MaskReview.actor, key_name(MaskReview.actor, tenant_id), *counts)
        .where(MaskReview.run_id.in_(run_ids))
        .group_by(MaskReview.run_id, MaskReview.actor)
        .order_by(func.count().desc(), MaskReview.actor)
    )
    people: dict[uuid.UUID, list[PersonReview]] = defaultdict(list)
    for run_id, *fields in session.execute(query):
        people[run_id].append(PersonReview(**dict(zip(PersonReview.model_fields, fields, strict=True))))
    return people


def categories_of(session: Session, run: Run) -> list[str]:
    """Return the names of the dataset's categories, then others that reviewers of the run set."""
    query = select(Dataset.categories).join(Job, Job.dataset_id == Dataset.id).where(Job.id == run.job_id)
    listed = [str(category["name"]) for category in session.scalars(query).one() or ()]
    named = select(MaskReview.category).where(MaskReview.run_id == run.id, MaskReview.category.is_not(None)).distinct()
    given = session.scalars(named.order_by(MaskReview.category).limit(MOST_CATEGORIES)).all()
    return list(dict.fromkeys([*listed[:MOST_CATEGORIES], *(name for name in given if name is not None)]))


def next_to_review(session: Session, run: Run, after: int | None) -> tuple[int, str] | None:
    """Return id and file name of the first image after `after`, in the order of the dataset, that is not reviewed.

    After the last image it goes on with the first. Images that failed are left out. The images between are read one by
    one, which takes some 10 µs each.
    """
    review = session.get(RunReview, run.id)
    if review is not None and review.reviewed >= run.succeeded:
        return None
    dataset_id = session.scalars(select(Job.dataset_id).where(Job.id == run.job_id)).one()
    images = _images(run, dataset_id)
    first = -1
    if after is not None:
        place = images.with_only_columns(DatasetImage.position).where(ImageResult.image_id == after)
        found_at = session.scalars(place).one_or_none()
        first = first if found_at is None else found_at
    for condition in (DatasetImage.position > first, DatasetImage.position <= first):
        found = session.execute(_unreviewed(images, run).where(condition).limit(1)).first()
        if found is not None:
            return found[0], found[1]
    return None


def _unreviewed(images: Select[int, str], run: Run) -> Select[int, str]:
    """Select those that succeeded and whose review is not complete, in the order of the dataset."""
    of_image = (ImageReview.run_id == run.id) & (ImageReview.image_id == ImageResult.image_id)
    decided = ImageReview.accepted + ImageReview.rejected + ImageReview.deleted
    incomplete = ImageReview.run_id.is_(None) | (decided < ImageReview.masks)
    succeeded = images.where(ImageResult.outcome == Outcome.SUCCEEDED)
    return succeeded.outerjoin(ImageReview, of_image).where(incomplete).order_by(DatasetImage.position)


def _images(run: Run, dataset_id: uuid.UUID) -> Select[int, str]:
    """Select id and file name of the images with a result."""
    of_image = (ImageResult.run_id == run.id) & (ImageResult.dataset_image_id == DatasetImage.id)
    images = select(ImageResult.image_id, DatasetImage.file_name).select_from(DatasetImage)
    return images.join(ImageResult, of_image).where(DatasetImage.dataset_id == dataset_id)
