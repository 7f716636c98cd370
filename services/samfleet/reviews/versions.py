from __future__ import annotations

import uuid

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import RunReview


def review_version(session: Session, run_id: uuid.UUID) -> int:
    """Return the version of a run's review, 0 if nothing of it was reviewed."""
    return session.scalars(select(RunReview.version).where(RunReview.run_id == run_id)).one_or_none() or 0
