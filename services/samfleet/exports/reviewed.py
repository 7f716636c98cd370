"""The review of a run as an export has it: one state of it, taken when the building starts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Engine

from samfleet.db.session import read_only
from samfleet.exports.claim import ClaimedExport
from samfleet.exports.formats.base import ExportOptions, ExportSource
from samfleet.exports.request import depends_on_review
from samfleet.jobs.coco_files import UsedCategories
from samfleet.reviews.selection import Reviewed, category_ids, selected_by_review, with_reviews
from samfleet.reviews.snapshot import ReviewSnapshot, take_snapshot


@contextmanager
def review_of(engine: Engine, claimed: ClaimedExport, tick: Callable[[], None]) -> Iterator[ReviewSnapshot | None]:
    """Take the review that an export shows or follows; None if it depends on no review. `tick` is called meanwhile."""
    if not depends_on_review(claimed.format, claimed.options):
        yield None
        return
    with TemporaryDirectory(prefix="samfleet-review-") as folder:
        with read_only(engine) as session:
            snapshot = take_snapshot(session, claimed.run_id, Path(folder) / "review.jsonl", tick)
        yield snapshot


def with_review(source: ExportSource, review: ReviewSnapshot | None, options: ExportOptions) -> ExportSource:
    """Return the source with the masks that `options.reviewed` selects, or with all of them and their review.

    A run without any review is left as it is if all masks are wanted.
    """
    if review is None or (options.reviewed is Reviewed.ALL and not review.version):
        return source
    stated = {"masks": options.reviewed.value, "version": review.version}
    provenance = {**source.provenance, "review": stated}
    if options.reviewed is Reviewed.ALL:
        return replace(source, rows=lambda: with_reviews(source.rows(), review), provenance=provenance)
    categories, ids = category_ids(source.categories, review.categories, _used(source, review.categories))

    def rows() -> Iterator[Mapping[str, Any]]:
        return selected_by_review(source.rows(), review, options.reviewed, ids)

    return replace(source, rows=rows, categories=categories, provenance=provenance)


def _used(source: ExportSource, names: Sequence[str]) -> set[int]:
    """Return the category ids of the run's masks, which are read only if a reviewer named another category."""
    used = UsedCategories()
    if set(names) - {str(category["name"]) for category in source.categories}:
        deque(used.seen(source.rows()), maxlen=0)
    return used.given
