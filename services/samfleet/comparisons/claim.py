"""Steps of a comparison in the database: a worker claims it, adds images, and ends it.

Each is one short transaction. The token fences off a worker that lost its comparison: its steps change nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.comparisons.errors import ComparisonOutdated
from samfleet.comparisons.reading import PartOfRun, parts_of
from samfleet.comparisons.states import COMPARISONS
from samfleet.db.copy import copy_rows
from samfleet.db.models import ComparedImage, Comparison, ComparisonState, ImageResult, Job, Run
from samfleet.jobs.states import is_final

COUNTERS = ("masks_a", "masks_b", "matched", "changed", "iou_sum")


@dataclass(frozen=True, slots=True)
class ClaimedComparison:
    """A comparison to compute from the position `start` on."""

    id: uuid.UUID
    token: int
    run_ids: tuple[uuid.UUID, uuid.UUID]
    parts_a: Sequence[PartOfRun]
    parts_b: Sequence[PartOfRun]
    start: int


def claim_comparison(session: Session, comparison_id: uuid.UUID) -> ClaimedComparison | None:
    """Claim a queued comparison. Returns None if there is nothing to compute.

    One whose runs were retried since the request fails with `ComparisonOutdated`.
    """
    queued = Comparison.id == comparison_id, Comparison.state == ComparisonState.QUEUED
    comparison = session.scalars(select(Comparison).where(*queued).with_for_update()).one_or_none()
    if comparison is None:
        return None
    run_ids = comparison.run_a_id, comparison.run_b_id
    query = select(Run).join(Job, Job.id == Run.job_id).where(Run.id.in_(run_ids), Job.deleted_at.is_(None))
    runs = {run.id: run for run in session.scalars(query)}
    if len(runs) < len(run_ids):
        return None  # a job was deleted, and the comparison goes with it
    retries = [runs[run_id].retries for run_id in run_ids]
    if retries != [comparison.retries_a, comparison.retries_b] or not all(is_final(run.state) for run in runs.values()):
        COMPARISONS.fail(comparison, ComparisonOutdated.code, ComparisonOutdated().message)
        return None
    COMPARISONS.move(comparison, ComparisonState.RUNNING)
    comparison.token += 1
    comparison.sent_at = func.now()
    session.flush()
    parts_a, parts_b = (parts_of(session, run_id) for run_id in run_ids)
    return ClaimedComparison(comparison.id, comparison.token, run_ids, parts_a, parts_b, comparison.position)


def annotated_ious(session: Session, run_id: uuid.UUID, image_ids: Sequence[int]) -> Mapping[int, float]:
    """Return a run's mean IoU with the annotated instances by image id, for the images that have some."""
    query = select(ImageResult.image_id, ImageResult.quality_iou_sum / ImageResult.quality_instances).where(
        ImageResult.run_id == run_id, ImageResult.image_id.in_(image_ids), ImageResult.quality_instances > 0
    )
    return {image_id: iou for image_id, iou in session.execute(query) if iou is not None}


def add_images(
    session: Session, claimed: ClaimedComparison, rows: Sequence[Mapping[str, Any]], position: int, *, last: bool
) -> bool:
    """Write the images before `position` with the counters, and complete the comparison with the `last` ones.

    `rows` are in the columns of `ComparedImage` without the comparison. Returns False if the comparison was deleted or
    is another worker's; then nothing was written.
    """
    comparison = COMPARISONS.lock(session, claimed)
    if comparison is None:
        return False
    copy_rows(session, ComparedImage, [{"comparison_id": claimed.id, **row} for row in rows])
    for name in COUNTERS:
        setattr(comparison, name, getattr(comparison, name) + sum(row[name] for row in rows))
    comparison.images += len(rows)
    comparison.position = comparison.total if last else position
    comparison.sent_at = func.now()
    if last:
        COMPARISONS.move(comparison, ComparisonState.COMPLETED)
    return True
