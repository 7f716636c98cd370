"""Exports that a job asks for at its submission, requested for each run when it is completed.

A run has the mark `exports_due` from its submission or retry on. One transaction writes its exports and removes the
mark. So they are requested once: by the task that finished the run, or by the sweep if that task died.
"""

from __future__ import annotations

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Job, Run, RunState
from samfleet.exports.formats.base import ExportOptions
from samfleet.exports.request import ExportRequest, add_export
from samfleet.jobs.queue import TaskQueue
from samfleet.logging import get_logger

log = get_logger(__name__)

MOST_AT_ONCE = 100


def request_due_exports(session: Session, queue: TaskQueue, run_id: uuid.UUID | None = None) -> int:
    """Request the exports of a completed run, or of up to `MOST_AT_ONCE` runs that are due; return their number.

    Runs that another transaction holds are left out.
    """
    due = (
        select(Run, Job.exports, Job.correlation_id)
        .join(Job, Job.id == Run.job_id)
        .where(Run.exports_due, Run.state == RunState.COMPLETED, Job.deleted_at.is_(None))
        .order_by(Run.finished_at)
        .limit(MOST_AT_ONCE)
        .with_for_update(of=Run, skip_locked=True)
    )
    if run_id is not None:
        due = due.where(Run.id == run_id)
    count = 0
    for run, wanted, correlation in session.execute(due).all():
        for one in wanted or ():
            request = ExportRequest(one["format"], ExportOptions.from_dict(one["options"]), one["keep_days"])
            export, created = add_export(session, queue, run.id, request, correlation)
            log.info(
                "export.requested", export_id=str(export.id), run_id=str(run.id), format=one["format"], new=created
            )
            count += created
        run.exports_due = False
    session.flush()
    return count
