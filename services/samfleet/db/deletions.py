"""Deletion of jobs and datasets: the row is hidden at once and removed later; a record of the deletion stays."""

from __future__ import annotations

from sqlalchemy import func
from sqlalchemy.orm import Session

from samfleet.db.actors import current_actor
from samfleet.db.models import Dataset, Deleted, Deletion, Job

REQUESTED = "requested"


def hide(session: Session, row: Job | Dataset, reason: str = REQUESTED) -> None:
    """Hide a locked row and record who deleted it, and why."""
    row.deleted_at = func.now()
    kind = Deleted.JOB if isinstance(row, Job) else Deleted.DATASET
    deletion = Deletion(tenant_id=row.tenant_id, kind=kind, subject_id=row.id, name=row.name, reason=reason)
    deletion.actor = current_actor()
    session.add(deletion)
