"""Sweep of comparisons: send again what no worker took, and queue again what a silent worker had claimed."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from samfleet.comparisons.errors import ComparisonFailed
from samfleet.comparisons.states import fail_comparison, move_comparison
from samfleet.db.models import Comparison, ComparisonState
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit

SILENT_AFTER = timedelta(minutes=2)  # a worker writes every few seconds, between two images
MOST_LOST = 3  # workers that fell silent; more mean that the comparison kills them by running out of memory
MOST_AT_ONCE = 100


def sweep_comparisons(session: Session, queue: TaskQueue, resend_after: timedelta) -> int:
    """Return the number of comparisons that are sent again after the commit."""
    silent = Comparison.state == ComparisonState.RUNNING, Comparison.sent_at < func.now() - SILENT_AFTER
    for comparison in session.scalars(_free(*silent)).all():
        _queue_again(comparison)
    session.flush()
    stale = Comparison.state == ComparisonState.QUEUED, Comparison.sent_at < func.now() - resend_after
    sent = session.scalars(_free(*stale)).all()
    for comparison in sent:
        comparison.sent_at = func.now()
        correlation = comparison.correlation_id
        wake_after_commit(session, queue, TaskName.COMPARE, str(comparison.id), correlation=correlation)
    session.flush()
    return len(sent)


def _queue_again(comparison: Comparison) -> None:
    comparison.lost += 1
    if comparison.lost >= MOST_LOST:
        times = f"the worker that computed the comparison fell silent {MOST_LOST} times"
        fail_comparison(comparison, ComparisonFailed.code, f"{times}; the results of the runs are complete")
    else:
        move_comparison(comparison, ComparisonState.QUEUED)


def _free(*conditions: ColumnElement[bool]) -> Select[Comparison]:
    rows = select(Comparison).where(*conditions).order_by(Comparison.sent_at)
    return rows.limit(MOST_AT_ONCE).with_for_update(skip_locked=True)
