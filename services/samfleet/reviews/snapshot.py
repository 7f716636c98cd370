"""The review of a run at one moment, in a temporary file, for exports that take longer than a transaction should.

The file has a line for each reviewed image in the order of the dataset, as the parts of the run have, so that both are
read side by side with memory that does not grow with the run.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import ApiKey, DatasetImage, ImageResult, ImageReview, Job, MaskReview, MaskState, Run
from samfleet.reviews.decisions import Decision
from samfleet.reviews.versions import review_version

IMAGES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Signed:
    """A decision with its reviewer, the name of a key if it has one, and its time in ISO 8601."""

    decision: Decision
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class ReviewOfImage:
    """Decisions about the masks of an image by mask; `complete` if no mask is undecided."""

    image_id: int
    complete: bool
    masks: Mapping[int, Signed]


@dataclass(frozen=True, slots=True)
class ReviewSnapshot:
    """Review of a run with its version, and the names of all categories that reviewers set, in order."""

    path: Path
    version: int
    categories: Sequence[str]
    reviewers: Mapping[str, str]

    def images(self) -> Iterator[ReviewOfImage]:
        """Yield the reviewed images in the order of the dataset. Each call reads the file again."""
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                image_id, complete, masks = json.loads(line)
                signed = {mask: self._signed(*fields) for mask, *fields in masks}
                yield ReviewOfImage(image_id, complete, signed)

    def _signed(self, state: str, category: str | None, merged_into: int | None, actor: str, at: str) -> Signed:
        return Signed(Decision(MaskState(state), category, merged_into), self.reviewers.get(actor, actor), at)


def take_snapshot(session: Session, run_id: uuid.UUID, path: Path, tick: Callable[[], None]) -> ReviewSnapshot:
    """Write the review of a run to `path`. The session must read one consistent state (`read_only`).

    `tick` is called after every few images: a large review takes longer than a builder may be silent.
    """
    with path.open("w", encoding="utf-8") as file:
        images = session.execute(_images(run_id).execution_options(yield_per=IMAGES_AT_ONCE))
        for batch in images.partitions():
            masks = _masks(session, run_id, [image_id for image_id, _ in batch])
            for image_id, complete in batch:
                file.write(f"[{image_id},{json.dumps(complete)},{masks.get(image_id, '[]')}]\n")
            tick()
    named = select(MaskReview.category).where(MaskReview.run_id == run_id, MaskReview.category.is_not(None)).distinct()
    categories = [name for name in session.scalars(named.order_by(MaskReview.category)) if name is not None]
    return ReviewSnapshot(path, review_version(session, run_id), categories, _reviewers(session, run_id))


def _images(run_id: uuid.UUID) -> Select[int, bool]:
    """Select the reviewed images, and whether their review is complete, in the order of the dataset."""
    decided = ImageReview.accepted + ImageReview.rejected + ImageReview.deleted
    of_result = (ImageResult.run_id == ImageReview.run_id) & (ImageResult.image_id == ImageReview.image_id)
    return (
        select(ImageReview.image_id, decided == ImageReview.masks)
        .join(ImageResult, of_result)
        .join(DatasetImage, DatasetImage.id == ImageResult.dataset_image_id)
        .where(ImageReview.run_id == run_id)
        .order_by(DatasetImage.position)
    )


def _masks(session: Session, run_id: uuid.UUID, image_ids: Sequence[int]) -> Mapping[int, str]:
    """Return the decisions about the masks of some images as JSON.

    The database writes it: reading rows and writing them here takes several times as long.
    """
    fields = MaskReview.mask, MaskReview.state, MaskReview.category, MaskReview.merged_into, MaskReview.actor
    listed = cast(func.json_agg(func.json_build_array(*fields, MaskReview.at)), Text)
    of_images = MaskReview.run_id == run_id, MaskReview.image_id.in_(image_ids)
    rows = session.execute(select(MaskReview.image_id, listed).where(*of_images).group_by(MaskReview.image_id))
    return {image_id: masks.replace("\n", "") for image_id, masks in rows}


def _reviewers(session: Session, run_id: uuid.UUID) -> dict[str, str]:
    keys = select(ApiKey.id, ApiKey.name).join(Job, Job.tenant_id == ApiKey.tenant_id).join(Run, Run.job_id == Job.id)
    return {f"key:{key}": name for key, name in session.execute(keys.where(Run.id == run_id))}
