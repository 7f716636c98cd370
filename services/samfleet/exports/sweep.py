"""Sweep of exports: send again what no worker took, and queue again what a silent worker had claimed."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from samfleet.db.models import Export, ExportState
from samfleet.exports.errors import ExportFailed
from samfleet.exports.states import fail_export, move_export
from samfleet.jobs.queue import TaskName, TaskQueue, wake_after_commit

SILENT_AFTER = timedelta(minutes=2)  # a builder shows that it lives every few seconds, between two chunks
MOST_LOST = 3  # builders that fell silent; more mean that the export kills them by running out of memory
MOST_AT_ONCE = 100


def sweep_exports(session: Session, queue: TaskQueue, resend_after: timedelta) -> int:
    """Return the number of exports that are sent again after the commit."""
    silent = Export.state == ExportState.RUNNING, Export.sent_at < func.now() - SILENT_AFTER
    for export in session.scalars(_free(*silent)).all():
        _queue_again(export)
    session.flush()
    stale = Export.state == ExportState.QUEUED, Export.sent_at < func.now() - resend_after
    sent = session.scalars(_free(*stale)).all()
    for export in sent:
        export.sent_at = func.now()
        wake_after_commit(session, queue, TaskName.EXPORT, str(export.id), correlation=export.correlation_id)
    session.flush()
    return len(sent)


def _queue_again(export: Export) -> None:
    export.lost += 1
    if export.lost >= MOST_LOST:
        times = f"the worker that built the export fell silent {MOST_LOST} times"
        fail_export(export, ExportFailed.code, f"{times}; the run's results are complete")
    else:
        move_export(export, ExportState.QUEUED)


def _free(*conditions: ColumnElement[bool]) -> Select[Export]:
    rows = select(Export).where(*conditions).order_by(Export.sent_at)
    return rows.limit(MOST_AT_ONCE).with_for_update(skip_locked=True)
