from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from samfleet.db.models import WorkerHeartbeat

FRESH = timedelta(seconds=30)  # workers beat every few seconds; one that missed several is gone


def fresh_heartbeats(session: Session) -> Sequence[WorkerHeartbeat]:
    """Workers that are alive, by the database's clock."""
    query = select(WorkerHeartbeat).where(WorkerHeartbeat.seen_at > func.now() - FRESH)
    return session.scalars(query.order_by(WorkerHeartbeat.pool, WorkerHeartbeat.worker)).all()
