from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from samfleet.db.base import Base


class RemovedPrefix(Base):
    """A folder of the store that was removed, and is removed again at `due_at`.

    A worker or an upload that was under way may have written into it after the first time.
    """

    __tablename__ = "removed_prefixes"

    prefix: Mapped[str] = mapped_column(String(200), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(index=True)


class StoreWalk(Base):
    """How far a walk over the keys of the store is: it goes on behind the key `after`, not before `due_at`."""

    __tablename__ = "store_walks"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    after: Mapped[str] = mapped_column(String(1024), default="")
    due_at: Mapped[datetime]
