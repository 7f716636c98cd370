"""The task that computes a comparison.

It reads the parts of both runs once, side by side, and writes some images at a time, each time together with the
position that it has reached. A worker that takes over after a death continues there, so every image is written exactly
once, and memory does not grow with the runs.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from samfleet.comparisons.claim import (
    ClaimedComparison,
    add_images,
    annotated_ious,
    claim_comparison,
)
from samfleet.comparisons.errors import ComparisonFailed
from samfleet.comparisons.matching import agreement, match_masks
from samfleet.comparisons.reading import Place, Row, side_by_side
from samfleet.comparisons.states import COMPARISONS
from samfleet.db.models import Outcome
from samfleet.db.session import read_only, transaction
from samfleet.jobs.built_rows import ClaimLost
from samfleet.logging import get_logger
from samfleet.storage.store import ObjectStore

log = get_logger(__name__)

IMAGES_AT_ONCE = 500
SECONDS_AT_ONCE = 5.0  # well below `samfleet.jobs.built_rows.SILENT_AFTER`


def build_comparison(engine: Engine, store: ObjectStore, comparison_id: uuid.UUID) -> None:
    """Compute a queued comparison and complete it; do nothing for any other.

    A store that does not respond leaves the comparison queued, and its error is raised. Every other error fails the
    comparison; an unexpected one is raised too.
    """
    with transaction(engine) as session:
        claimed = claim_comparison(session, comparison_id)
    if claimed is not None:
        COMPARISONS.build(engine, claimed, lambda: _build(engine, store, claimed))


def _build(engine: Engine, store: ObjectStore, claimed: ClaimedComparison) -> None:
    batch = _Batch(engine, claimed, claimed.start)
    for place in side_by_side(store, claimed.parts_a, claimed.parts_b, claimed.start):
        batch.add(place)
    batch.write(last=True)
    log.info("comparison.completed", comparison_id=str(claimed.id))


@dataclass(slots=True)
class _Batch:
    """Compared images that are not written yet. Writing them is also a sign of life.

    Raises `ClaimLost` when the comparison is no longer this worker's.
    """

    engine: Engine
    claimed: ClaimedComparison
    position: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    _written_at: float = field(default_factory=time.monotonic)

    def add(self, place: Place) -> None:
        if place.a is not None and place.b is not None:
            _require_same_image(place.position, place.a, place.b)
            if place.a["outcome"] == place.b["outcome"] == Outcome.SUCCEEDED:
                self.rows.append(compare_rows(place.position, place.a, place.b))
        self.position = place.position + 1
        if len(self.rows) >= IMAGES_AT_ONCE or time.monotonic() - self._written_at > SECONDS_AT_ONCE:
            self.write(last=False)

    def write(self, *, last: bool) -> None:
        self._add_ious()
        with transaction(self.engine) as session:
            held = add_images(session, self.claimed, self.rows, self.position, last=last)
        if not held:
            raise ClaimLost
        self.rows.clear()
        self._written_at = time.monotonic()

    def _add_ious(self) -> None:
        image_ids = [row["image_id"] for row in self.rows]
        with read_only(self.engine) as session:
            ious_a, ious_b = (annotated_ious(session, run_id, image_ids) for run_id in self.claimed.run_ids)
        for row in self.rows:
            a, b = (ious.get(row["image_id"]) for ious in (ious_a, ious_b))
            row |= {"iou_a": a, "iou_b": b, "iou_change": None if a is None or b is None else b - a}


def compare_rows(position: int, row_a: Row, row_b: Row) -> dict[str, Any]:
    """Return the figures of an image from its lines in the parts of both runs."""
    masks_a, masks_b = row_a["masks"], row_b["masks"]
    matching = match_masks(masks_a, masks_b)
    iou_sum = matching.iou_sum
    return {
        "position": position,
        "image_id": row_a["image_id"],
        "masks_a": len(masks_a),
        "masks_b": len(masks_b),
        "matched": len(matching.pairs),
        "changed": matching.changed,
        "iou_sum": iou_sum,
        "agreement": agreement(iou_sum, len(masks_a), len(masks_b)),
    }


def _require_same_image(position: int, row_a: Mapping[str, Any], row_b: Mapping[str, Any]) -> None:
    if row_a["image_id"] != row_b["image_id"]:
        raise ComparisonFailed(
            f"at position {position} run A has the image {row_a['image_id']} and run B {row_b['image_id']}; the parts "
            "of a run are damaged"
        )
