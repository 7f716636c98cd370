"""Changes of an image's review in the database.

Two reviewers cannot overwrite each other: a change names the version that it was made on, and another version refuses
it. A change that is already made is no conflict, so a request may be repeated.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from samfleet.db.actors import current_actor
from samfleet.db.models import ImageResult, ImageReview, MaskReview, MaskState, ReviewChange, RunReview
from samfleet.reviews.decisions import Change, Decision, Decisions, changed
from samfleet.reviews.errors import ReviewChanged

COUNTED = (MaskState.ACCEPTED, MaskState.REJECTED, MaskState.DELETED)


def change_review(session: Session, result: ImageResult, version: int, changes: Sequence[Change]) -> bool:
    """Apply the changes, made on `version` of the image's review, 0 if there is none. Returns False for no difference.

    Without changes an image without a review gets one, which states that an image without masks was looked at.
    Raises `ReviewChanged` for another version, and the errors of `samfleet.reviews.decisions.changed`.
    """
    review = _locked(session, result)
    before = decisions_of(session, review.run_id, review.image_id)
    after = changed(before, changes, review.masks)
    if after == before and review.version:
        return False
    if review.version != version:
        raise ReviewChanged(
            f"the review of image {review.image_id} has version {review.version}, and your changes were made on "
            f"version {version}; read it again and repeat them"
        )
    _write_masks(session, review, before, after)
    _count(session, review, before, after)
    review.version += 1
    session.flush()
    made = [change.to_dict() for change in changes]
    session.add(
        ReviewChange(
            run_id=review.run_id, image_id=review.image_id, version=review.version, actor=current_actor(), changes=made
        )
    )
    session.flush()
    return True


def decisions_of(session: Session, run_id: uuid.UUID, image_id: int) -> dict[int, Decision]:
    """Return the decisions about the masks of an image, by mask."""
    rows = session.scalars(select(MaskReview).where(MaskReview.run_id == run_id, MaskReview.image_id == image_id))
    return {row.mask: Decision(row.state, row.category, row.merged_into) for row in rows}


def _locked(session: Session, result: ImageResult) -> ImageReview:
    """Return the locked review of the image, with version 0 if it is new."""
    key = {"run_id": result.run_id, "image_id": result.image_id}
    new = insert(ImageReview).values(**key, version=0, masks=result.mask_count)
    session.execute(new.on_conflict_do_nothing())
    query = select(ImageReview).filter_by(**key).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _write_masks(session: Session, review: ImageReview, before: Decisions, after: Decisions) -> None:
    of_image = MaskReview.run_id == review.run_id, MaskReview.image_id == review.image_id
    gone = before.keys() - after.keys()
    if gone:
        session.execute(delete(MaskReview).where(*of_image, MaskReview.mask.in_(gone)))
    rows = [
        {
            "run_id": review.run_id,
            "image_id": review.image_id,
            "mask": mask,
            "state": decision.state,
            "category": decision.category,
            "merged_into": decision.merged_into,
            "actor": current_actor(),
        }
        for mask, decision in after.items()
        if before.get(mask) != decision
    ]
    if rows:
        statement = insert(MaskReview)
        written = {name: statement.excluded[name] for name in ("state", "category", "merged_into", "actor")}
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["run_id", "image_id", "mask"], set_={**written, "at": func.now()}
            ),
            rows,
        )


def _count(session: Session, review: ImageReview, before: Decisions, after: Decisions) -> None:
    """Update the counts of the image and of its run. `review` still has its version before the changes."""
    was_reviewed = review.version > 0 and not review.undecided
    counts = Counter(decision.state for decision in after.values())
    grown = counts.copy()
    grown.subtract(decision.state for decision in before.values())
    review.accepted, review.rejected, review.deleted = (counts[state] for state in COUNTED)
    differences: Mapping[str, int] = {
        "version": 1,
        "images": int(review.version == 0),
        "reviewed": int(not review.undecided) - int(was_reviewed),
        **{state.value: grown[state] for state in COUNTED},
    }
    statement = insert(RunReview).values(run_id=review.run_id, **differences)
    added = {name: getattr(RunReview, name) + difference for name, difference in differences.items()}
    session.execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=added))
