"""The database's clock, by which all processes judge ages, whatever their own clocks say."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session


def now(session: Session) -> datetime:
    """Return the start of the transaction by the database's clock, with a time zone."""
    return session.execute(select(func.now())).scalar_one()
