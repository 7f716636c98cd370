from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from samfleet.db.models import Hardware


def all_hardware(session: Session) -> Sequence[Hardware]:
    return session.scalars(select(Hardware).order_by(Hardware.first_seen_at, Hardware.id)).all()
